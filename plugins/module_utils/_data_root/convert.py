# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves the data root onto an XFS with project quotas, in steps of which each can be the last.

Note that this module util is PRIVATE to the collection.

Until the commit the old tree counts and everything new may be thrown away; a host that boots there has Docker on its
old data. From the commit on the new file system counts; a host that boots there has it mounted, above the old tree.
"""

from __future__ import annotations

import shutil
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root import note, units
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.errors import DataRootError
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import Host, guarded
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import Facts
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.trees import Comparison, compare
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import own_mounts

NOTHING_COPIED = Comparison(0, 0, ())


@dataclass
class Conversion:
    """One conversion under way."""

    wish: Wish
    facts: Facts
    host: Host

    def __post_init__(self) -> None:
        self.root = Path(self.wish.root)
        self.units = units.Units(self.wish.root)
        earlier = self.facts.note
        self.active = self.facts.docker_active or bool(earlier and earlier.active)

    def run(self) -> Comparison:
        """From a data root without project quotas to one with them. On failure everything is as it was."""
        note.write(self.wish.note, note.Note("convert", self.wish.place, self.active))
        with self._guarded():
            try:
                what = self._make()
                copied = self._copy() if not self.facts.empty else NOTHING_COPIED
                self._commit(what)
                self._change_over()
            except (DataRootError, OSError) as error:
                self._back()
                raise DataRootError(f"{error}; the old data root is in place as before") from error
        return copied

    def finish(self) -> None:
        """The rest of a conversion that was cut short after its commit. The new file system counts."""
        with self._guarded():
            self.host.stop_docker()
            self.host.unmount(self.root)
            self._discard(self.wish.staging)
            if self.wish.returning.exists():
                remove_tree(self.wish.returning)
            self._tie(self.facts.committed)
            self._change_over()

    def _guarded(self) -> AbstractContextManager[None]:
        start = ["systemctl start docker.service"] if self.active else []
        return guarded(f"umount --lazy {self.wish.staging}", "systemctl daemon-reload", *start)

    def _make(self) -> str:
        """An empty XFS; what the mount unit is to mount."""
        self._discard(self.wish.staging)
        if self.wish.device:
            identity = str(uuid.uuid4())
            # -f: preflight has found it blank, unfinished, or given up by its owner.
            self.host.do(
                f"format {self.wish.device}",
                *("mkfs.xfs", "-q", "-f", "-n", "ftype=1", "-m", f"uuid={identity}", self.wish.device),
            )
            self.host.try_to(["udevadm", "trigger", "--settle", self.wish.device])
            return f"/dev/disk/by-uuid/{identity}"
        file = Path(self.wish.loop_file)
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        maker = ["fallocate", "--length"] if self.wish.preallocate else ["truncate", "--size"]
        self.host.do(f"make {file}", *maker, str(self.wish.bytes), str(file))
        # ftype=1, which overlay2 needs, is the default of every mkfs.xfs since 2014 but not of every mkfs.xfs.conf.
        self.host.do(f"make an XFS in {file}", "mkfs.xfs", "-q", "-n", "ftype=1", str(file))
        return str(file)

    def _copy(self) -> Comparison:
        if self.facts.docker_active:
            self.host.stop_docker()
        refuse_mounts_inside(self.root)
        self.wish.staging.mkdir(mode=0o700, exist_ok=True)
        loop = [] if self.wish.device else ["--options=loop"]
        self.host.do(f"mount {self.wish.place}", "mount", "--types=xfs", *loop, self.wish.place, str(self.wish.staging))
        copied = copy_tree(self.host, self.root, self.wish.staging)
        self._discard(self.wish.staging)
        return copied

    def _commit(self, what: str) -> None:
        if self.facts.docker_active:
            self.host.stop_docker()
        # The unit's file alone changes nothing at boot. What it mounts must be whole on disk before it does.
        self.host.write(self.units.mount, units.mount_text(str(self.root), what, loop=not self.wish.device))
        self.host.do("write everything to disk", "sync")
        self.host.systemctl("daemon-reload")
        self.host.systemctl("enable", "--quiet", self.units.name)
        self.host.do("write everything to disk", "sync")
        self.host.write(units.DROP_IN, units.drop_in_text(str(self.root), str(self.root)))

    def _tie(self, what: str) -> None:
        self.host.write(self.units.mount, units.mount_text(str(self.root), what, loop=not self.wish.device))
        self.host.write(units.DROP_IN, units.drop_in_text(str(self.root), str(self.root)))

    def _change_over(self) -> None:
        if self.root.is_dir() and any(self.root.iterdir()):
            self.root.rename(self.wish.aside)
        self.root.mkdir(mode=0o710, parents=True, exist_ok=True)
        self.host.systemctl("daemon-reload")
        self.host.try_to(["systemctl", "reset-failed", self.units.name])
        self._mount()
        if self.active:
            self.host.start_docker()
        note.remove(self.wish.note)

    def _mount(self) -> None:
        try:
            self.host.systemctl("start", self.units.name)
        except DataRootError as error:
            _rc, words, _err = self.host.try_to(
                ["journalctl", f"--unit={self.units.name}", "--lines=5", "--output=cat", "--no-pager"]
            )
            raise DataRootError(f"{error}: {' | '.join(words.splitlines())}") from error
        mounted = [one for one in own_mounts() if one.target == str(self.root)]
        if not mounted or not mounted[0].project_quota:
            raise DataRootError(f"cannot trust {self.units.name}: the kernel does not enforce project quotas there")

    def _back(self) -> None:
        """The old tree and Docker, whatever had been done."""
        self.host.try_to(["systemctl", "stop", "docker.socket", "docker.service"])
        self.host.unmount(self.root)
        if self.wish.aside.exists() and not self.facts.empty:
            if self.root.exists():
                self.root.rmdir()
            self.wish.aside.rename(self.root)
        remove_units(self.units)
        self._discard(self.wish.staging)
        if not self.wish.device:
            Path(self.wish.loop_file).unlink(missing_ok=True)
        self.host.systemctl("daemon-reload")
        if self.active:
            self.host.start_docker()
        note.remove(self.wish.note)

    def _discard(self, place: Path) -> None:
        self.host.unmount(place)
        if place.exists():
            place.rmdir()


def remove_units(files: units.Units) -> None:
    """Docker and the mount know nothing of each other any more; directories that held only that go, too."""
    # In this order Docker can start after each step: first with the mount, then without.
    for file in (units.DROP_IN, *files.links, files.mount):
        file.unlink(missing_ok=True)
    for directory in (files.commit.parent, units.DROP_IN.parent):
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()


def refuse_mounts_inside(root: Path) -> None:
    inside = [one.target for one in own_mounts() if one.target.startswith(f"{root}/")]
    if inside:
        raise DataRootError(f"cannot copy {root}: these are mounted inside it: {', '.join(inside[:5])}; unmount them")


def copy_tree(host: Host, source: Path, target: Path) -> Comparison:
    """Copy everything below source and prove that it arrived."""
    # --archive alone would only warn about an attribute that it cannot copy, such as a capability of a program.
    options = ("--archive", "--preserve=xattr", "--one-file-system")
    host.do(f"copy {source}", "cp", *options, f"{source}/.", f"{target}/")
    host.do("write the copy to disk", "sync", "--file-system", str(target))
    found = compare(source, target)
    if found.different:
        raise DataRootError(
            f"cannot trust the copy of {source}: it differs in {', '.join(found.different)}; did something write there?"
        )
    return found


def remove_tree(path: Path) -> None:
    """All of a tree, and nothing of what may be mounted inside it."""
    refuse_mounts_inside(path)
    shutil.rmtree(path)
