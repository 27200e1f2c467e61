# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A remount that fails leaves the host as it was, with Docker running."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root import note, remount, units
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.back import decide_back
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.errors import DataRootError
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import Host
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.remount import Remount
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import Facts
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish

UNIT = "srv.mount"
FSTAB = "UUID=1 / ext4 defaults 0 1\n/dev/vdb /srv xfs noatime 0 0\n"


@dataclass
class Machine:
    """A host that runs Docker on the XFS at /srv; `refuses` maps a command to what it says when it fails."""

    refuses: dict[str, str] = field(default_factory=dict)
    mounted: bool = True
    docker: bool = True

    def run(self, command: list[str]) -> tuple[int, str, str]:
        line = " ".join(command)
        if line in self.refuses:
            return 1, "", self.refuses[line]
        if command[0] == "systemd-escape":
            return 0, f"{UNIT}\n", ""
        if command[0] == "umount":
            self.mounted = False
        elif line == f"systemctl start {UNIT}":
            self.mounted = True
        elif line in ("systemctl stop docker.service", "systemctl start docker.service"):
            self.docker = command[1] == "start"
        return 0, "", ""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    host = Machine()
    (tmp_path / "fstab").write_text(FSTAB)
    monkeypatch.setattr(remount, "RECORD", tmp_path / "bulkhead" / "xfs_quota.json")
    monkeypatch.setattr(remount, "FSTAB", tmp_path / "fstab")
    monkeypatch.setattr(units, "DROP_IN", tmp_path / "docker.service.d" / "bulkhead.conf")
    # If the tests are killed, nothing is to be started on the machine that they run on.
    monkeypatch.setattr(remount, "guarded", lambda *_commands: nullcontext())
    monkeypatch.setattr(remount, "_enforced", lambda _target: "pquota" in remount.FSTAB.read_text())
    with monkeypatch.context() as patch:
        patch.setattr("os.path.ismount", lambda path: host.mounted and str(path) == "/srv")
        yield host


@pytest.fixture
def wish(tmp_path: Path) -> Wish:
    return Wish(root=str(tmp_path / "docker"), remount_ok=True)


@pytest.fixture
def facts() -> Facts:
    return Facts(
        mount_point="/srv",
        kind="xfs",
        source="/dev/vdb",
        ready=False,
        empty=False,
        resolved="/srv/docker",
        data_bytes=0,
        free_bytes=0,
        loop_bytes=None,
        device=None,
        committed="",
        note=None,
        aside=False,
        defined_in="/etc/fstab",
        missing=False,
        tools=True,
        docker_active=True,
        running=(),
        silence="",
        config_error="",
        config_root="",
    )


@pytest.fixture
def remounting(machine: Machine, wish: Wish, facts: Facts) -> Remount:
    return Remount(wish, facts, Host(machine.run))


def test_forth_and_back(machine: Machine, remounting: Remount) -> None:
    remounting.run()
    assert "/srv xfs noatime,pquota" in remount.FSTAB.read_text()
    assert units.DROP_IN.exists() and json.loads(remount.RECORD.read_text())["target"] == "/srv"
    remounting.undo()
    assert remount.FSTAB.read_text() == FSTAB
    assert not units.DROP_IN.exists() and not remount.RECORD.exists()
    assert machine.mounted and machine.docker


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("umount /srv", "target is busy"),
        ("systemctl stop docker.socket", "Job timed out"),
        ("systemctl stop docker.service", "Job timed out"),
        ("systemctl daemon-reload", "no bus"),
    ],
)
def test_what_fails_before_the_unmount_leaves_everything_as_it_was(
    machine: Machine, remounting: Remount, wish: Wish, command: str, words: str
) -> None:
    machine.refuses = {command: words}
    with pytest.raises(DataRootError, match=f"{words}; /srv is mounted as before"):
        remounting.run()
    assert machine.docker and machine.mounted
    assert remount.FSTAB.read_text() == FSTAB
    assert [file.exists() for file in (wish.note, remount.RECORD, units.DROP_IN)] == [False, False, False]


def test_what_the_kernel_took_otherwise_is_taken_back(
    machine: Machine, remounting: Remount, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remount, "_enforced", lambda _target: False)
    with pytest.raises(DataRootError, match="the kernel took the options otherwise; /srv is mounted as before"):
        remounting.run()
    assert machine.docker and machine.mounted
    assert remount.FSTAB.read_text() == FSTAB
    assert not wish.note.exists() and not remount.RECORD.exists()


def test_a_way_back_that_fails_leaves_the_quotas_and_what_is_known_of_them(
    machine: Machine, remounting: Remount, wish: Wish
) -> None:
    remounting.run()
    machine.refuses = {"umount /srv": "target is busy"}
    with pytest.raises(DataRootError, match="target is busy; /srv is mounted as before"):
        remounting.undo()
    assert machine.docker and machine.mounted
    assert "noatime,pquota" in remount.FSTAB.read_text()
    assert units.DROP_IN.exists() and remount.RECORD.exists() and not wish.note.exists()


def test_docker_does_not_begin_anew_where_its_data_is_not_mounted(
    machine: Machine, remounting: Remount, wish: Wish
) -> None:
    machine.refuses = {f"systemctl start {UNIT}": "wrong fs type"}
    with pytest.raises(DataRootError, match=r"wrong fs type; /srv is not mounted, so Docker stays stopped"):
        remounting.run()
    assert not machine.docker
    # The next run knows what to mount, that Docker ran, and what the options were.
    assert note.read(wish.note) == note.Note("remount", "/srv", True)
    assert remount.recorded() == "/srv"


def test_the_cause_is_told_also_where_docker_does_not_start(machine: Machine, remounting: Remount, wish: Wish) -> None:
    machine.refuses = {"umount /srv": "target is busy", "systemctl start docker.service": "Job failed"}
    with pytest.raises(DataRootError, match=r"target is busy; /srv is mounted as before; cannot .* Job failed"):
        remounting.run()
    assert wish.note.exists()


def test_the_way_back_needs_the_same_consent(machine: Machine, remounting: Remount, wish: Wish, facts: Facts) -> None:
    def problems(wish: Wish, facts: Facts) -> tuple[str, ...]:
        plan = decide_back(wish, facts, used=0, free=0)
        assert plan.act == "remount"
        return plan.problems

    assert decide_back(wish, facts, used=0, free=0).act == "keep"
    remounting.run()
    assert problems(wish, facts) == ()
    (said,) = problems(replace(wish, remount_ok=False), facts)
    assert "cannot take pquota off /srv" in said and "allow the remount" in said
    cut_short = replace(facts, note=note.Note("remount", "/srv", True))
    assert problems(replace(wish, remount_ok=False), cut_short) == ()
    assert machine.mounted


def test_a_daemon_that_does_not_answer_is_not_stopped_on_the_way_back(
    machine: Machine, remounting: Remount, wish: Wish, facts: Facts
) -> None:
    silent = replace(facts, silence="no answer")
    words = "cannot tell which containers are running: no answer; bring Docker back to health, or stop it"
    assert decide_back(wish, silent, used=0, free=0).problems == ()
    assert decide_back(wish, replace(silent, committed="/x"), used=0, free=0).problems[-1] == words
    remounting.run()
    assert decide_back(wish, silent, used=0, free=0).problems == (words,)
    assert machine.docker
