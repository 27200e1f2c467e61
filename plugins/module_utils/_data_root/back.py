# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: a data root that is a plain directory again, with the data of today.

Note that this module util is PRIVATE to the collection.

The mount counts until its units are gone, and they go last: a host that boots in between has Docker on the mount.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root import note, units
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.convert import (
    NOTHING_COPIED,
    copy_tree,
    refuse_mounts_inside,
    remove_tree,
    remove_units,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.errors import DataRootError
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import Host, guarded
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.plan import Plan, human, silence_problems
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.remount import recorded
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import Facts
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.trees import Comparison
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish


def decide_back(wish: Wish, facts: Facts, *, used: int, free: int) -> Plan:
    """The plan for the way back; `used` and `free` are bytes of the data and of the file system below the mount."""
    if not facts.committed:
        target = recorded()
        act = "remount" if target else "keep"
        return Plan(act, (*_remount_problems(wish, facts, target), *silence_problems(act, facts)))
    problems = []
    if not facts.empty and not wish.convert_ok:
        problems.append(
            f"cannot give {wish.root} back: it holds data ({human(used)}); allow the conversion to stop Docker "
            f"and copy it out of {facts.committed}, which is kept"
        )
    if used > free:
        problems.append(
            f"cannot give {wish.root} back: {human(used)} do not fit into the {human(free)} that are free below the "
            "mount; free some space"
        )
    return Plan("return", (*problems, *silence_problems("return", facts)))


def _remount_problems(wish: Wish, facts: Facts, target: str) -> list[str]:
    """The same consent as on the way forth; a remount that was cut short had it."""
    if not target or wish.remount_ok or (facts.note and facts.note.act == "remount"):
        return []
    return [
        f"cannot take pquota off {target}: it is mounted with it; allow the remount, which takes pquota out again, "
        f"stops Docker and mounts {target} again"
    ]


@dataclass
class Return:
    """One way back under way."""

    wish: Wish
    facts: Facts
    host: Host

    def run(self) -> Comparison:
        """On failure the mount and Docker are back."""
        root, files = Path(self.wish.root), units.Units(self.wish.root)
        earlier = self.facts.note
        active = self.facts.docker_active or bool(earlier and earlier.active)
        note.write(self.wish.note, note.Note("return", self.facts.committed, active))
        start = ["systemctl start docker.service"] if active else []
        with guarded("systemctl daemon-reload", *start):
            try:
                self.host.stop_docker()
                if not os.path.ismount(root):
                    self.host.systemctl("start", files.name)
                copied = self._copy(root)
                self.host.unmount(root)
                self._put_in_place(root)
                remove_units(files)
            except (DataRootError, OSError) as error:
                self.host.try_to(["systemctl", "start", files.name])
                if active:
                    self.host.start_docker()
                raise DataRootError(f"{error}; {root} is mounted as before") from error
            self.host.systemctl("daemon-reload")
            if active:
                self.host.start_docker()
        note.remove(self.wish.note)
        return copied

    def _copy(self, root: Path) -> Comparison:
        if self.wish.returning.exists():
            remove_tree(self.wish.returning)
        self.wish.returning.mkdir(mode=0o710)
        if not any(root.iterdir()):
            return NOTHING_COPIED
        refuse_mounts_inside(root)
        return copy_tree(self.host, root, self.wish.returning)

    def _put_in_place(self, root: Path) -> None:
        # Below the mount lies nothing, or what an earlier way back had put there before it was cut short.
        if root.is_dir():
            remove_tree(root)
        self.wish.returning.rename(root)
        self.host.do("write everything to disk", "sync")
