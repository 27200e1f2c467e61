# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds project quotas to an XFS that is mounted without them, where the host itself says how it is mounted.

Note that this module util is PRIVATE to the collection.

XFS turns its quotas on when it is mounted, and at no other time: hence unmount and mount, with Docker stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root import fstab, note, units
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.errors import DataRootError
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import Host, guarded
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import FSTAB, Facts
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import own_mounts

#: What the mount was before, so that it can be so again.
RECORD = Path("/var/lib/bulkhead/xfs_quota.json")


@dataclass
class Remount:
    """One remount, forwards or back."""

    wish: Wish
    facts: Facts
    host: Host

    def __post_init__(self) -> None:
        earlier = self.facts.note if self.facts.note and self.facts.note.act == "remount" else None
        self.target = earlier.source if earlier else self.facts.mount_point
        self.active = self.facts.docker_active or bool(earlier and earlier.active)

    def run(self) -> None:
        """Mounted without, now and at boot, becomes mounted with. On failure everything is as it was."""
        self._apply(self._ask_for_quota, self._ask_for_less, wanted=True)

    def undo(self) -> None:
        """The mount as it was before `run`."""
        self.target = str(_record()["target"])
        self._apply(self._ask_for_less, self._ask_for_quota, wanted=False)
        RECORD.unlink(missing_ok=True)

    def _apply(self, change: Callable[[str], None], way_back: Callable[[str], None], *, wanted: bool) -> None:
        unit = self.host.do("name the unit", "systemd-escape", "--path", "--suffix=mount", self.target).strip()
        note.write(self.wish.note, note.Note("remount", self.target, self.active))
        start = ["systemctl start docker.service"] if self.active else []
        with guarded("systemctl daemon-reload", f"systemctl start '{unit}'", *start):
            try:
                self.host.stop_docker()
                change(unit)
                self._mount_again(unit)
                if _enforced(self.target) is not wanted:
                    raise DataRootError(f"cannot trust {self.target}: the kernel took the options otherwise")
            except (DataRootError, OSError) as error:
                raise DataRootError(f"{error}; {self._back(unit, way_back, wanted=wanted)}") from error
            self._done()

    def _back(self, unit: str, way_back: Callable[[str], None], *, wanted: bool) -> str:
        """The files, the mount and Docker as before, each as far as it can be; what became of them, in words."""
        said = []
        try:
            # What failed before the record was written has changed nothing.
            if RECORD.exists():
                way_back(unit)
        except (DataRootError, OSError) as error:
            said.append(f"what it is at boot could not be put back: {error}")
        self.host.try_to(["systemctl", "daemon-reload"])
        # What is still mounted has its quotas as before, for only a mount changes them. To unmount it, most likely what
        # has just failed, would fail again and keep Docker from its start.
        if not os.path.ismount(self.target):
            self.host.try_to(["systemctl", "start", unit])
        if not os.path.ismount(self.target):
            # Docker would begin anew in the empty directory. The note stays, and has the next run mount and start.
            return "; ".join(
                [f"{self.target} is not mounted, so Docker stays stopped; mount it and run this again", *said]
            )
        if wanted and not said:
            RECORD.unlink(missing_ok=True)
        try:
            self._done()
        except DataRootError as error:
            said.append(str(error))
        return "; ".join([f"{self.target} is mounted as before", *said])

    def _done(self) -> None:
        if self.active:
            self.host.start_docker()
        note.remove(self.wish.note)

    def _mount_again(self, unit: str) -> None:
        self.host.systemctl("daemon-reload")
        self.host.unmount(Path(self.target))
        self.host.systemctl("start", unit)

    def _ask_for_quota(self, unit: str) -> None:
        if not RECORD.exists():
            text = FSTAB.read_text() if FSTAB.exists() else ""
            RECORD.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.host.write(
                RECORD, json.dumps({"target": self.target, "line": fstab.line_for(text, self.target)}) + "\n"
            )
        if _record()["line"] is not None:
            self.host.write(FSTAB, fstab.change(FSTAB.read_text(), self.target))
        else:
            options = self.host.do("read the unit", "systemctl", "show", "--property=Options", "--value", unit).strip()
            self.host.write(_unit_drop_in(unit), f"[Mount]\nOptions={fstab.with_quota(options)}\n")
        self.host.write(units.DROP_IN, units.drop_in_text(self.wish.root, self.target))

    def _ask_for_less(self, unit: str) -> None:
        old = _record()["line"]
        if old is not None:
            text = FSTAB.read_text()
            now = fstab.line_for(text, self.target)
            if now is not None:
                self.host.write(FSTAB, fstab.replace_line(text, now, old))
        else:
            _unit_drop_in(unit).unlink(missing_ok=True)
        units.DROP_IN.unlink(missing_ok=True)


def recorded() -> str:
    """The mount that has been changed by this module and not changed back; empty where there is none."""
    return str(_record()["target"]) if RECORD.exists() else ""


def _record() -> dict[str, str | None]:
    found: dict[str, str | None] = json.loads(RECORD.read_text())
    return found


def _unit_drop_in(unit: str) -> Path:
    return units.SYSTEM / f"{unit}.d" / "bulkhead-pquota.conf"


def _enforced(target: str) -> bool:
    return any(one.target == target and one.project_quota for one in own_mounts())
