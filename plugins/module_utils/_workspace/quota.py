# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reads XFS project quotas from the kernel: the directory's project (ioctl), then the project's limit (quotactl).

There is no program in between: xfs_quota may be missing, and its output is made for people.
References: FS_IOC_FSGETXATTR in linux/fs.h, struct fs_disk_quota in linux/dqblk_xfs.h, quotactl(2).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from .._mountinfo import Mount, mount_of
from .errors import WorkspaceError
from .facts import Quota

FS_IOC_FSGETXATTR = 0x801C581F
FSXATTR = struct.Struct("=IIIII8x")
PROJECT_INHERIT = 0x200

_Q_XGETQUOTA = 0x5803
_PROJECT_QUOTA = 2
# Up to the block count: version, flags, fieldmask, id, 4 limits, 2 counts; the rest is timers and real-time limits.
DISK_QUOTA = struct.Struct("=bbHIQQQQQQ")
DISK_QUOTA_SIZE = 112
BASIC_BLOCK = 512


def read(path: Path, mounts: Iterable[Mount]) -> Quota:
    """The project quota that binds a directory, or why none does."""
    mount = containing(path, mounts)
    if mount.kind != "xfs":
        return _none(f"{path} is on {mount.kind}, which has no project quota that Docker could use")
    if not mount.project_quota:
        return _none(f"the XFS of {path} is mounted without project quota enforcement")
    project, inherits = project_of(path)
    if project == 0 or not inherits:
        return _none(f"{path} belongs to no project whose files inherit it")
    found = limits(mount.source, project)
    if found is None:
        return Quota(project=project, limit=None, used=0, reason=f"project {project} has no quota record")
    limit, used, files = found
    return Quota(
        project=project,
        limit=limit or None,
        used=used,
        files=files or None,
        reason="" if limit else f"project {project} has no hard limit",
    )


def containing(path: Path, mounts: Iterable[Mount]) -> Mount:
    """The mount that a path is on."""
    found = mount_of(mounts, path.resolve())
    if found is None:
        raise WorkspaceError(
            f"cannot find the file system of {path}: no mount covers it; run on the host, not in a chroot"
        )
    return found


def project_of(path: Path) -> tuple[int, bool]:
    """A directory's project, and whether new files inherit it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        answer = fcntl.ioctl(descriptor, FS_IOC_FSGETXATTR, bytes(FSXATTR.size))
    finally:
        os.close(descriptor)
    flags, _extent, _extents, project, _copy = FSXATTR.unpack(answer)
    return project, bool(flags & PROJECT_INHERIT)


def limits(device: str, project: int) -> tuple[int, int, int] | None:
    """Hard limit and use of a project in bytes, and how many files it may have; None when there is no record of it."""
    fields = _record(device, project)
    return None if fields is None else (fields[4] * BASIC_BLOCK, fields[8] * BASIC_BLOCK, fields[6])


def in_use(device: str, project: int) -> bool:
    """Whether any file belongs to a project."""
    fields = _record(device, project)
    return fields is not None and (fields[8] > 0 or fields[9] > 0)


def call(command: int, device: str, project: int, buffer: ctypes.Array[ctypes.c_char]) -> bool:
    """quotactl(2) for a project; ctypes.get_errno() has the cause of a failure."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.quotactl(ctypes.c_int((command << 8) | _PROJECT_QUOTA), device.encode(), ctypes.c_int(project), buffer)
    return bool(done == 0)


def _record(device: str, project: int) -> tuple[int, ...] | None:
    buffer = ctypes.create_string_buffer(DISK_QUOTA_SIZE)
    return DISK_QUOTA.unpack_from(buffer) if call(_Q_XGETQUOTA, device, project, buffer) else None


def _none(reason: str) -> Quota:
    return Quota(project=0, limit=None, used=0, reason=reason)
