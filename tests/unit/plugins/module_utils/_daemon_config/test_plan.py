# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about daemon.json: reload or restart, and the way back key by key."""

from __future__ import annotations

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.carry import file_of, waiting
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.journal import reload_refusal
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import differences
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.pending import Note
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.plan import plan
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.record import Record
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import ServiceState

UP = ServiceState(exists=True, active=True, enabled=True, started=1000.0)
DOWN = ServiceState(exists=True, active=False, enabled=True, started=0.0)
RUNTIME = {"runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}


@pytest.mark.parametrize(
    ("settings", "state", "note", "due", "reload"),
    [
        (RUNTIME, UP, None, True, True),
        ({**RUNTIME, "icc": False}, UP, None, True, False),
        ({}, UP, None, False, False),
        (RUNTIME, DOWN, None, False, False),
        ({}, UP, Note(None, 2000.0), True, False),
        ({}, UP, Note(None, 2000.0, reload=True), True, True),
        (RUNTIME, UP, Note(None, 2000.0), True, False),
        ({}, UP, Note(None, 500.0), False, False),
    ],
)
def test_a_reload_is_enough_only_where_every_change_allows_it(
    settings: dict[str, object], state: ServiceState, note: Note | None, due: bool, reload: bool
) -> None:
    found = plan({}, settings, [], state=state, note=note)
    assert (found.due, found.reload) == (due, reload)


def recorded(old: dict[str, object], *steps: dict[str, object]) -> Record:
    record = Record()
    for new in steps:
        record.note(old, new, differences(old, new))
        old = new
    return record


def test_every_key_returns_to_what_it_was_before_the_first_change() -> None:
    before = {"icc": True, "log-opts": {"max-size": "1g", "labels": "x"}, "mtu": 1400}
    first = {"icc": False, "log-opts": {"max-size": "10m", "labels": "x"}, "mtu": 1400, "userns-remap": "default"}
    second = {**first, "log-opts": {"max-size": "20m", "labels": "x"}}
    record = recorded(before, first, second)
    settings, remove, foreign = record.wish(second)
    assert plan(second, settings, remove, state=DOWN, note=None).new == before
    assert foreign == []


def test_what_somebody_else_has_changed_since_stays_and_is_named() -> None:
    record = recorded({}, {"icc": False, "userns-remap": "default"})
    after, foreign = record.undo({"icc": False, "userns-remap": "alice", "mtu": 1400})
    assert after == {"userns-remap": "alice", "mtu": 1400}
    assert foreign == ["userns-remap"]


def test_a_refused_reload_is_told_in_dockerds_words() -> None:
    lines = [
        'level=info msg="Got signal to reload configuration, reloading from: /etc/docker/daemon.json"',
        'level=error msg="Error reconfiguring the daemon: the following directives are specified twice: icc"',
    ]
    assert "specified twice: icc" in reload_refusal(lines)
    assert reload_refusal(lines[:1]) == ""


def test_any_name_of_an_image_is_a_name_of_a_file(tmp_path: object) -> None:
    directory = str(tmp_path)
    for image in ("registry.test:5000/a/b:1", "0123456789ab"):
        file_of(directory, image).touch()
    assert waiting(directory) == ["0123456789ab", "registry.test:5000/a/b:1"]
    assert waiting(directory + "/none") == []
