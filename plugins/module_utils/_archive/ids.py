# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners as the container sees them, and as the host's disk has them. Pure.

Note that this module util is PRIVATE to the collection.

An archive holds the container's ids, so that it can be restored on a host that maps them elsewhere, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ArchiveError

# What the kernel shows for an id that a user namespace has no place for.
OVERFLOW = 65534
# Length of the range that the role docker_userns gives the daemon.
COUNT = 65536

_REMAPPED_ROOT = re.compile(r".*/([0-9]+)\.([0-9]+)")


@dataclass(frozen=True)
class Ids:
    """The host's ids that stand for the container's 0. Both are 0 where nothing is mapped."""

    first_uid: int = 0
    first_gid: int = 0

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """Owner and group on disk -> in the container."""
        return _inside(uid, self.first_uid), _inside(gid, self.first_gid)

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """Owner and group in the container -> on disk."""
        return _outside(uid, self.first_uid), _outside(gid, self.first_gid)


def _inside(number: int, first: int) -> int:
    if not first:
        return number
    return number - first if first <= number < first + COUNT else OVERFLOW


def _outside(number: int, first: int) -> int:
    if first and not 0 <= number < COUNT:
        raise ArchiveError(
            f"cannot restore an owner: the archive has id {number}, and a container here has 0 to {COUNT - 1}; "
            "restore on a host without user namespaces, or look at where the archive comes from"
        )
    return first + number


def of_daemon(info: Mapping[str, Any]) -> Ids:
    """From Docker's description of itself: a daemon that maps users keeps its data under ROOT/UID.GID."""
    if not any(str(entry).startswith("name=userns") for entry in info.get("SecurityOptions") or []):
        return Ids()
    match = _REMAPPED_ROOT.fullmatch(str(info.get("DockerRootDir", "")))
    if match is None:
        raise ArchiveError(
            f"cannot tell how Docker maps users: its data root {info.get('DockerRootDir')} does not end with UID.GID; "
            "look at 'docker info'"
        )
    return Ids(int(match[1]), int(match[2]))
