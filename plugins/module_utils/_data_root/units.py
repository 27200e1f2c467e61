# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd unit that mounts the data root, and what ties Docker to it. Texts and names; pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/etc/systemd/system")
DROP_IN = SYSTEM / "docker.service.d" / "bulkhead-data-root.conf"
#: By this line a unit is known as one of this role, of version 1.0.0 as well.
_MARK = "Description=Docker's data root, an XFS with project quotas"
_HEAD = "# Written by bulkhead.workspace (role xfs_quota); changes are lost with its next run.\n"


@dataclass(frozen=True)
class Units:
    """The files of one data root."""

    root: str

    @property
    def name(self) -> str:
        """systemd names a mount unit after its path."""
        return unit_name(self.root)

    @property
    def mount(self) -> Path:
        return SYSTEM / self.name

    @property
    def commit(self) -> Path:
        """This link keeps Docker from starting without the mount. It is the point of no return of a conversion:
        without it the old tree counts, with it the new file system."""
        return SYSTEM / "docker.service.requires" / self.name

    @property
    def links(self) -> tuple[Path, Path]:
        """All that `systemctl enable` makes."""
        return SYSTEM / "multi-user.target.wants" / self.name, self.commit


def unit_name(path: str) -> str:
    """The mount unit of a path of plain characters, as systemd-escape would name it."""
    return path[1:].replace("-", "\\x2d").replace("/", "-") + ".mount"


def mount_text(root: str, what: str, *, loop: bool) -> str:
    """The mount unit."""
    options = "loop,pquota" if loop else "pquota"
    return f"""{_HEAD}[Unit]
{_MARK}
Before=docker.service containerd.service

[Mount]
What={what}
Where={root}
Type=xfs
Options={options}

[Install]
WantedBy=multi-user.target
RequiredBy=docker.service
"""


def drop_in_text(root: str, mount_point: str) -> str:
    """Docker's drop-in: without its mount the data root is an empty directory, and Docker would begin anew there."""
    return f"""{_HEAD}[Unit]
RequiresMountsFor={root}
AssertPathIsMountPoint={mount_point}
"""


def source_of(text: str) -> str:
    """What a mount unit of this role mounts; empty for somebody else's, which Docker may require as well."""
    lines = text.splitlines()
    for line in lines if _MARK in lines else []:
        if line.startswith("What="):
            return line.removeprefix("What=").strip()
    return ""
