# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of Docker's data root, and the names that follow from it. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
#: mkfs.xfs refuses less.
MIN_BYTES = 300 * MIB
_UNITS = {"M": MIB, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"([1-9][0-9]*)([MGT])\Z")
_ROOT = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+\Z")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The options of one run. ``device`` empty: the file ``loop_file`` holds the XFS."""

    root: str = "/var/lib/docker"
    device: str = ""
    loop_file: str = "/var/lib/docker.xfs"
    size: str = "20G"
    preallocate: bool = False
    sparse_ok: bool = False
    convert_ok: bool = False
    remount_ok: bool = False
    format_ok: bool = False
    remove_old_ok: bool = False

    @property
    def bytes(self) -> int:
        """The size in bytes; 0 where it is not a size."""
        match = _SIZE.match(self.size)
        return int(match[1]) * _UNITS[match[2]] if match else 0

    @property
    def place(self) -> str:
        """What holds the XFS, for messages."""
        return self.device or self.loop_file

    @property
    def aside(self) -> Path:
        """Where the old tree goes."""
        return Path(f"{self.root}.before-xfs")

    @property
    def staging(self) -> Path:
        """Where the new file system is mounted while it is filled."""
        return Path(f"{self.root}.staging")

    @property
    def returning(self) -> Path:
        """Where the tree grows that takes the place of the mount again."""
        return Path(f"{self.root}.returning")

    @property
    def note(self) -> Path:
        """The note of a conversion that has begun and not ended."""
        return Path(f"{self.root}.converting")

    def problems(self) -> list[str]:
        """Everything wrong with the options themselves, before the host is looked at."""
        found = []
        if not self.device and self.bytes < MIN_BYTES:
            found.append(
                f"cannot use size {self.size}: it is not a number with M, G or T, or less than 300M; "
                "write for example 20G"
            )
        if not _ROOT.match(self.root):
            found.append(
                f"cannot use data root {self.root}: not an absolute path of letters, digits and . _ -; choose another"
            )
        if self.device and not self.device.startswith("/dev/"):
            found.append(f"cannot use device {self.device}: not a path below /dev; write for example /dev/vdb")
        return found
