# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about daemon.json: reload or restart, and the way back key by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.carry import file_of, waiting
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.journal import reload_refusal
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import differences
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.pending import Note
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.plan import plan
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.record import Record, load, save
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import ServiceState

UP = ServiceState(exists=True, active=True, enabled=True, started=1000.0)
DOWN = ServiceState(exists=True, active=False, enabled=True, started=0.0)
RUNTIME: dict[str, Any] = {"runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}


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
    found = plan({}, settings, state=state, note=note)
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
    assert record.undo(second) == (before, [])


def test_what_somebody_else_has_changed_since_stays_and_is_named() -> None:
    record = recorded({}, {"icc": False, "userns-remap": "default"})
    after, foreign = record.undo({"icc": False, "userns-remap": "alice", "mtu": 1400})
    assert after == {"userns-remap": "alice", "mtu": 1400}
    assert foreign == ["userns-remap"]


NVIDIA = {"nvidia": {"path": "/usr/bin/nvidia-container-runtime"}}


@pytest.mark.parametrize("before", [{}, {"runtimes": NVIDIA}])
def test_what_others_have_added_to_an_object_does_not_keep_ours_in_it(before: dict[str, Any]) -> None:
    set_by_us = {"runtimes": {**before.get("runtimes", {}), **RUNTIME["runtimes"]}}
    record = recorded(before, set_by_us)
    assert record.undo(set_by_us) == (before, [])
    assert record.undo({"runtimes": {**RUNTIME["runtimes"], **NVIDIA}}) == ({"runtimes": NVIDIA}, [])


def test_an_entry_that_somebody_else_has_changed_stays_alone() -> None:
    record = recorded({"log-opts": {"max-size": "1g"}}, {"log-opts": {"max-size": "10m", "max-file": "3"}})
    current = {"log-opts": {"max-size": "10m", "max-file": "5", "labels": "x"}}
    after, foreign = record.undo(current)
    assert after == {"log-opts": {"max-size": "1g", "max-file": "5", "labels": "x"}}
    assert foreign == ["log-opts/max-file"]


def test_an_object_in_an_entry_comes_back_whole() -> None:
    before = {"runtimes": {"runsc": {"path": "/opt/runsc", "runtimeArgs": ["--debug"]}}}
    record = recorded(before, {"runtimes": {"runsc": {"path": "/usr/bin/runsc", "options": {"a": 1}}}})
    assert record.undo({"runtimes": {"runsc": {"path": "/usr/bin/runsc", "options": {"a": 1}}}}) == (before, [])


def test_options_come_back_by_name() -> None:
    record = recorded({"storage-opts": ["a=1", "gone=1"]}, {"storage-opts": ["a=2", "b=1"]})
    after, foreign = record.undo({"storage-opts": ["theirs=1", "b=1", "a=2"]})
    assert not differences({"storage-opts": ["a=1", "theirs=1", "gone=1"]}, after)
    assert foreign == []


def test_a_record_of_whole_keys_is_understood(tmp_path: Path) -> None:
    file = tmp_path / "gvisor.json"
    keys = {
        "icc": {"before": {"value": True}, "after": {"value": False}},
        "runtimes": {"before": {"absent": True}, "after": {"value": RUNTIME["runtimes"]}},
        "log-opts": {"before": {"value": {"a": "1", "b": "1"}}, "after": {"value": {"a": "1", "b": "2"}}},
    }
    file.write_text(json.dumps({"keys": keys}))
    record = load(str(file))
    current = {"icc": False, "runtimes": {**RUNTIME["runtimes"], **NVIDIA}, "log-opts": {"a": "1", "b": "2", "c": "1"}}
    expected = {"icc": True, "runtimes": NVIDIA, "log-opts": {"a": "1", "b": "1", "c": "1"}}
    assert record.undo(current) == (expected, [])
    save(str(file), record)
    assert load(str(file)) == record


def test_what_is_back_already_is_nobody_elses() -> None:
    assert recorded({}, RUNTIME).undo({"runtimes": NVIDIA}) == ({"runtimes": NVIDIA}, [])


def test_what_has_stayed_can_still_be_taken_back_later() -> None:
    record = recorded({}, {**RUNTIME, "icc": False})
    theirs = {"runtimes": {"runsc": {"path": "/opt/runsc"}}}
    after, foreign = record.undo({**theirs, "icc": False})
    assert (after, foreign) == (theirs, ["runtimes/runsc"])
    left = record.without(record, foreign)
    assert list(left.keys) == foreign
    assert left.undo(RUNTIME) == ({}, [])
    # The owner begins anew: what he finds now is what was before.
    left.note(theirs, RUNTIME, differences(theirs, RUNTIME))
    assert left.undo(RUNTIME) == (theirs, [])


def test_what_its_owner_no_longer_mentions_goes_back() -> None:
    before = {"icc": True, "log-opts": {"labels": "x"}, "mtu": 1400}
    ours = {"icc": False, "log-opts": {"labels": "x", "max-size": "1m", "max-file": "3"}, "mtu": 1400, "bridge": "none"}
    record = recorded(before, ours)
    given_up = record.given_up({"log-opts": {"max-size": "1m"}}, ["bridge"])
    assert sorted(given_up.keys) == ["icc", "log-opts/max-file"]
    after = {**ours, "icc": True, "log-opts": {"labels": "x", "max-size": "1m"}}
    assert given_up.undo(ours) == (after, [])
    # Until it is back, it is remembered as it was: the daemon may refuse, and the old file come back.
    kept = Record(dict(record.keys))
    kept.note(ours, after, differences(ours, after), given_up)
    assert kept == record
    left = record.without(given_up, [])
    assert sorted(left.keys) == ["bridge", "log-opts/max-size"]
    assert left.undo(after) == (before, [])


def test_what_is_mentioned_as_a_whole_is_mentioned_in_its_entries() -> None:
    record = recorded({}, {"log-opts": {"max-size": "1m"}, "storage-opts": ["a=1"]})
    assert record.given_up({"log-opts": "odd", "storage-opts": ["a=2"]}, []).keys == {}
    assert record.given_up({}, ["log-opts", "storage-opts/a"]).keys == {}
    assert sorted(record.given_up({}, []).keys) == ["log-opts/max-size", "storage-opts/a"]


def test_what_its_owner_no_longer_mentions_and_somebody_else_has_changed_stays() -> None:
    record = recorded({}, {"icc": False, "mtu": 1400})
    given_up = record.given_up({"icc": False}, [])
    after, foreign = given_up.undo({"icc": False, "mtu": 9000})
    assert (after, foreign) == ({"icc": False, "mtu": 9000}, ["mtu"])
    left = record.without(given_up, foreign)
    assert left.without(given_up, foreign) == left
    assert left.given_up({"icc": False}, []).undo({"icc": False}) == ({"icc": False}, [])


def test_a_record_is_for_root_alone(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_text("{}")
    file.chmod(0o644)
    for _again in range(2):
        save(str(file), recorded({}, RUNTIME))
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()


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
