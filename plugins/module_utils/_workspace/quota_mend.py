# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Gives a new volume the quota that Docker left out.

Docker limits the bytes of a volume, but not the number of its files, which take space that XFS charges to nobody. So
every volume gets a limit of files here, one for each 16 KiB, as ext4 would give it.

Docker remembers a project for every volume path until it restarts. When a volume is removed and another one made under
the same name, Docker sets the limit of the remembered project, but does not put the new directory into it: the volume
has no limit (seen with 20.10 and 26.1). So a new directory without a project gets one here, before anything is in it.

Project numbers count down from 2^30. Docker counts up: from the highest number in use when it starts. So below 2^30 it
counts far from here, and when it starts with one of ours in use, it counts up from 2^30 and away.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._mountinfo import own_mounts
from . import quota
from .errors import WorkspaceError

FIRST_PROJECT = 1 << 30
BYTES_PER_FILE = 16384
_MOST_PROJECTS = 100_000
_LOCK = Path("/run/bulkhead/quota.lock")

_FS_IOC_FSSETXATTR = 0x401C5820
_Q_XSETQLIM = 0x5804
_VERSION = 1
_FLAGS_PROJECT = 2
_FIELDS_FILES_AND_BLOCKS = 0b1111


def ensure(path: Path, size: int) -> None:
    """Makes sure that a volume directory has its quota of bytes and files; one without a project must be empty."""
    mount = quota.containing(path, own_mounts())
    with _locked():
        own = quota.project_of(path)[0]
        if own != 0:
            _limit(path, mount.source, own, size)
            return
        if any(path.iterdir()):
            raise WorkspaceError(
                f"cannot limit volume directory {path}: it is in no project and not empty; remove the volume"
            )
        project = next(number for number in _candidates() if not quota.in_use(mount.source, number))
        _limit(path, mount.source, project, size, join=True)


def _limit(path: Path, device: str, project: int, size: int, *, join: bool = False) -> None:
    try:
        _set_limit(device, project, size)
        if join:
            _set_project(path, project)
    except OSError as error:
        raise WorkspaceError(
            f"cannot limit volume directory {path} to {size} bytes: {error.strerror}; see that the XFS on "
            f"{device} has project quota, and run the task as root"
        ) from error


def _candidates() -> Iterator[int]:
    yield from range(FIRST_PROJECT, FIRST_PROJECT - _MOST_PROJECTS, -1)


@contextmanager
def _locked() -> Iterator[None]:
    """One at a time: a number is free until its directory has it."""
    _LOCK.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(_LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _set_project(path: Path, project: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        answer = fcntl.ioctl(descriptor, quota.FS_IOC_FSGETXATTR, bytes(quota.FSXATTR.size))
        flags, extent, extents, _project, copy = quota.FSXATTR.unpack(answer)
        wanted = quota.FSXATTR.pack(flags | quota.PROJECT_INHERIT, extent, extents, project, copy)
        fcntl.ioctl(descriptor, _FS_IOC_FSSETXATTR, wanted)
    finally:
        os.close(descriptor)


def _set_limit(device: str, project: int, size: int) -> None:
    blocks, files = size // quota.BASIC_BLOCK, max(size // BYTES_PER_FILE, 1)
    fields = (_VERSION, _FLAGS_PROJECT, _FIELDS_FILES_AND_BLOCKS, project, blocks, blocks, files, files, 0, 0)
    buffer = ctypes.create_string_buffer(quota.DISK_QUOTA.pack(*fields), quota.DISK_QUOTA_SIZE)
    if not quota.call(_Q_XSETQLIM, device, project, buffer):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
