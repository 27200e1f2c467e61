# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the journal, the data root and the pending note say."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config import pending
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.journal import last_words
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.mask import MASK
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.root import (
    contents_of,
    is_empty,
    namespaces_of,
    root_by,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.survey import presentable


def test_the_dying_line_wins_over_what_systemd_adds() -> None:
    lines = [
        'time="2026-03-01T12:00:00Z" level=info msg="Starting up"',
        'time="2026-03-01T12:00:01Z" level=error msg="first trouble"',
        "failed to start daemon: error initializing graphdriver: overlay2: unknown option",
        "docker.service: Main process exited, code=exited, status=1/FAILURE",
    ]
    assert last_words(lines) == "failed to start daemon: error initializing graphdriver: overlay2: unknown option"


def test_without_a_dying_line_the_errors_count() -> None:
    lines = ['level=info msg="fine"', 'level=fatal msg="no \\"space\\" left"', "Stopped docker.service"]
    assert last_words(lines) == 'no "space" left'


def test_a_silent_daemon_has_no_last_words() -> None:
    assert last_words(["", "  "]) == ""


def test_the_data_root_names_what_people_keep_there(tmp_path: Path) -> None:
    container = tmp_path / "containers" / ("c" * 64)
    container.mkdir(parents=True)
    (container / "config.v2.json").write_text(json.dumps({"Name": "/db"}))
    (tmp_path / "volumes" / "data").mkdir(parents=True)
    (tmp_path / "volumes" / "metadata.db").touch()
    ids = tmp_path / "image" / "overlay2" / "imagedb" / "content" / "sha256"
    ids.mkdir(parents=True)
    (ids / ("a" * 64)).touch()
    (ids / ("b" * 64)).touch()
    references = {"busybox:1": "sha256:" + "a" * 64, "busybox@sha256:ff": "sha256:" + "a" * 64}
    repositories = {"Repositories": {"busybox": references}}
    (tmp_path / "image" / "overlay2" / "repositories.json").write_text(json.dumps(repositories))

    contents = contents_of(tmp_path)

    assert contents.containers == ("db",)
    assert contents.volumes == ("data",)
    assert contents.images == ("b" * 12, "busybox:1")


def test_a_missing_root_is_empty_and_names_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert is_empty(missing)
    assert is_empty(tmp_path)
    assert contents_of(missing).images == ()
    (tmp_path / "100000.100000").mkdir()
    (tmp_path / "overlay2").mkdir()
    assert namespaces_of(tmp_path) == ["100000.100000"]
    assert not is_empty(tmp_path)


def test_a_restart_stays_due_until_a_daemon_started_after_the_note(tmp_path: Path) -> None:
    config = str(tmp_path / "daemon.json")
    assert not pending.restart_due(pending.read_note(config), 0.0)
    pending.write_note(config, "/etc/docker/daemon.json.1~")
    os.utime(pending.note_path(config), (1000.0, 1000.0))
    note = pending.read_note(config)
    assert note is not None
    assert note.backup == "/etc/docker/daemon.json.1~"
    assert pending.restart_due(note, 0.0)
    assert pending.restart_due(note, 999.0)
    assert not pending.restart_due(note, 1010.0)
    pending.remove_note(config)
    assert pending.read_note(config) is None


def test_secrets_of_the_settings_are_masked_and_nothing_else() -> None:
    config = {
        "proxies": {"http-proxy": "http://192.0.2.1:3128", "https-proxy": "http://user:pass@192.0.2.1"},
        "log-opts": {"splunk-token": "pass", "splunk-url": "https://user:p/a@ss@192.0.2.1/x", "max-size": "10m"},
        "registry-mirrors": ["https://user:pass@192.0.2.1", "https://mirror.test"],
        "runtimes": {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--network=none"]}},
        "iptables": False,
        "mtu": 1400,
    }
    shown = presentable({"config": config, "active": True})
    assert shown == {
        "config": {
            **config,
            "proxies": {"http-proxy": MASK, "https-proxy": MASK},
            "log-opts": {"splunk-token": MASK, "splunk-url": f"https://{MASK}@192.0.2.1/x", "max-size": "10m"},
            "registry-mirrors": [f"https://{MASK}@192.0.2.1", "https://mirror.test"],
        },
        "active": True,
    }
    assert "pass" in str(config) and "pass" not in str(shown)


def test_half_a_note_means_that_the_file_was_not_touched(tmp_path: Path) -> None:
    config = str(tmp_path / "daemon.json")
    pending.note_path(config).write_text('{"back')
    assert pending.read_note(config) is None


def test_the_data_is_where_the_file_says_not_where_it_has_been() -> None:
    assert root_by({}, 100000) == "/var/lib/docker"
    assert root_by({"userns-remap": "default"}, 100000) == "/var/lib/docker/100000.100000"
    assert root_by({"data-root": "/srv/docker", "userns-remap": "default"}, 100000) == "/srv/docker/100000.100000"
    assert root_by({"data-root": "/srv/docker", "userns-remap": ""}, 100000) == "/srv/docker"
