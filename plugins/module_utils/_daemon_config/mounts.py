# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file system a path is on, as the kernel tells it. Pure: the text of mountinfo goes in.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: How XFS names an enforced project quota among its mount options; `pqnoenforce` only counts.
PROJECT_QUOTA = frozenset({"pquota", "prjquota"})


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    point: str
    type: str
    source: str
    options: tuple[str, ...]

    @property
    def project_quota(self) -> bool:
        return self.type == "xfs" and not PROJECT_QUOTA.isdisjoint(self.options)


def mount_of(mountinfo: str, path: str) -> Mount | None:
    """The mount that path is on. Of two on one point the later one, which hides the other."""
    best: Mount | None = None
    for line in mountinfo.splitlines():
        mount = _parse(line)
        if mount and _is_below(path, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _parse(line: str) -> Mount | None:
    head, separator, tail = line.partition(" - ")
    fields, rest = head.split(), tail.split()
    if not separator or len(fields) < 6 or len(rest) < 3:
        return None
    options = dict.fromkeys([*fields[5].split(","), *rest[2].split(",")])
    return Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1]), tuple(options))


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), field)
