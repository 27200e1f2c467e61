# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar stream -> a tree, never writing outside of it.

Note that this module util is PRIVATE to the collection.

The archive may have been changed by whoever can write to the bucket. So each name is taken apart and every directory
on the way is opened as such, without following a link; only kinds that a workspace can have are made.
"""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from . import content
from .errors import ArchiveError
from .ids import Ids
from .pack import NANO
from .tree import OPEN_DIRECTORY, ROOT

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(source: BinaryIO, target: int, ids: Ids) -> tarfile.TarInfo | None:
    """Fills the empty directory `target` (a descriptor); returns the root's own entry, which is left to the caller."""
    root, directories = None, []
    try:
        with tarfile.open(
            fileobj=source, mode="r|", encoding="utf-8", errors="surrogateescape", bufsize=content.BLOCK * 16
        ) as tar:
            for member in tar:
                if member.name == ROOT:
                    root = member
                    continue
                _make(tar, member, target, ids)
                if member.isdir():
                    directories.append(member)
    except tarfile.TarError as error:
        raise ArchiveError(f"cannot read the archive: {error}; it is damaged or cut off, choose another one") from error
    except OSError as error:
        raise _explained(error) from error
    for member in reversed(directories):
        # Last, since every name made inside changes a directory's time, and its mode may forbid that.
        with _parent(target, member.name) as (parent, name):
            directory = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
            try:
                set_attributes(directory, member, ids)
            finally:
                os.close(directory)
    return root


def set_attributes(descriptor: int, member: tarfile.TarInfo, ids: Ids) -> None:
    """Owner, mode, time, in an order in which none undoes another."""
    os.fchown(descriptor, *ids.outside(member.uid, member.gid))
    os.fchmod(descriptor, member.mode & 0o7777)
    os.utime(descriptor, ns=_times(member))


def _make(tar: tarfile.TarFile, member: tarfile.TarInfo, target: int, ids: Ids) -> None:
    with _parent(target, member.name) as (parent, name):
        if member.isdir():
            os.mkdir(name, 0o700, dir_fd=parent)
        elif member.isreg() or member.issparse():
            _make_file(tar, member, parent, name, ids)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
        elif member.islnk():
            with _parent(target, member.linkname) as (other, other_name):
                os.link(other_name, name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False)
            return  # the attributes are those of the first name
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
        else:
            raise ArchiveError(
                f"cannot restore {member.name!r}: it is neither a file, a directory, a link nor a FIFO, and no archive "
                "of a workspace has such; look at where the archive comes from"
            )
        if member.issym() or member.isfifo():
            uid, gid = ids.outside(member.uid, member.gid)
            os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
            if member.isfifo():
                os.chmod(name, member.mode & 0o7777, dir_fd=parent)
            os.utime(name, ns=_times(member), dir_fd=parent, follow_symlinks=False)


def _make_file(tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str, ids: Ids) -> None:
    descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
    try:
        source: Any = tar.fileobj
        if member.issparse():
            # Reading through tarfile would read the holes as zeros, and a hole can have any size.
            source.seek(member.offset_data)
            segments: Any = member.sparse
            for offset, length in segments:
                os.lseek(descriptor, offset, os.SEEK_SET)
                _copy(source, descriptor, length)
            os.ftruncate(descriptor, member.size)
        else:
            _copy(source, descriptor, member.size)
        set_attributes(descriptor, member, ids)
    finally:
        os.close(descriptor)


def _copy(source: BinaryIO, descriptor: int, length: int) -> None:
    while length:
        data = source.read(min(length, content.BLOCK * 4))
        if not data:
            raise tarfile.ReadError("unexpected end of data")
        length -= len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]


@contextmanager
def _parent(target: int, path: str) -> Iterator[tuple[int, str]]:
    """The directory that holds `path`, opened step by step, and the last part of the path."""
    *parts, name = path.split("/")
    if any(part in ("", ".", "..") for part in (*parts, name)):
        raise ArchiveError(
            f"cannot restore {path!r}: it leads out of the workspace; look at where the archive comes from"
        )
    descriptor = os.dup(target)
    try:
        for part in parts:
            deeper = os.open(part, OPEN_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor, name
    finally:
        os.close(descriptor)


def _times(member: tarfile.TarInfo) -> tuple[int, int]:
    """Access and modification time in nanoseconds; tarfile's own number is too coarse."""
    text = str(member.pax_headers.get("mtime", member.mtime))
    whole, _point, fraction = text.lstrip("-").partition(".")
    time = int(whole) * NANO + int(fraction.ljust(9, "0")[:9])
    time = -time if text.startswith("-") else time
    return time, time


def _explained(error: OSError) -> ArchiveError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArchiveError(
            "cannot restore the workspace: the volume is full; give the conversation a larger disk_limit"
        )
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return ArchiveError(
            "cannot restore the workspace: a name in the archive leads through a link; look at where the archive comes "
            "from"
        )
    return ArchiveError(f"cannot restore the workspace: {error.strerror or error}; see the journal of this host")
