# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The mounts of a process as the kernel tells them. Pure but for own_mounts(): the text of mountinfo goes in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# How XFS names an enforced project quota among its options; `pqnoenforce` only counts.
_PROJECT_QUOTA = frozenset({"pquota", "prjquota"})
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One line of /proc/PID/mountinfo. ``options`` are the mount's, ``super_options`` its file system's."""

    target: str
    root: str
    kind: str
    source: str
    options: frozenset[str]
    super_options: Mapping[str, str]

    @property
    def writable(self) -> bool:
        """A mount can be written only where neither it nor its file system is read-only."""
        return "rw" in self.options and "ro" not in self.super_options

    @property
    def project_quota(self) -> bool:
        """Whether the kernel enforces XFS project quotas here."""
        return self.kind == "xfs" and not _PROJECT_QUOTA.isdisjoint(self.super_options)


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The mounts of a process; of several on one target the last one counts, as for the process."""
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        before, _separator, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        target = _plain(left[4])
        found[target] = Mount(
            target=target,
            root=_plain(left[3]),
            kind=right[0],
            source=_plain(right[1]),
            options=frozenset(left[5].split(",")),
            super_options=dict(entry.partition("=")[::2] for entry in right[2].split(",")),
        )
    return tuple(found.values())


def own_mounts() -> tuple[Mount, ...]:
    """The mounts that this process sees."""
    return parse_mounts(Path("/proc/self/mountinfo").read_text())


def mount_of(mounts: Iterable[Mount], path: Path) -> Mount | None:
    """The innermost mount that a path without symbolic links is on; None when no mount covers it."""
    # As text: a host with many containers has many mounts, and comparing paths as objects was half of a run's work.
    places = {str(place) for place in (path, *path.parents)}
    return max((mount for mount in mounts if mount.target in places), key=lambda mount: len(mount.target), default=None)


def _plain(field: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field) if "\\" in field else field
