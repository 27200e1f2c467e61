# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a directory, seen without ever following a link out of it.

Note that this module util is PRIVATE to the collection.

The tree belongs to a container that may be hostile, and may still be changing it. So every step goes through the
descriptor of the directory above, never through a path, and what is opened must be what was looked at before.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import ArchiveError
from .ids import Ids

DIRECTORY, FILE, SYMLINK, HARD_LINK, FIFO, DEVICE, SOCKET = (
    "directory",
    "file",
    "symlink",
    "hard_link",
    "fifo",
    "device",
    "socket",
)
# An archive has no place for these: a device is a way to the hardware, a socket is dead without its process.
LEFT_OUT = (DEVICE, SOCKET)
ROOT = "."

# Each level costs an open file; a process may have 1024.
DEEPEST = 400

_KINDS = {
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFREG: FILE,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
    stat.S_IFBLK: DEVICE,
    stat.S_IFCHR: DEVICE,
    stat.S_IFSOCK: SOCKET,
}
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a file that has become a FIFO meanwhile must not hold us.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name in a tree. `path` is relative; bytes that are no UTF-8 are kept as surrogates."""

    path: str
    kind: str
    mode: int  # permission bits
    uid: int  # owner and group, as the container sees them
    gid: int
    mtime_ns: int
    size: int = 0  # bytes, of a file
    target: str = ""  # text of a symbolic link; first path of a hard link


@dataclass(frozen=True)
class Found:
    """An entry and the way to its content, good until the next one is asked for."""

    entry: Entry
    status: os.stat_result
    _name: str
    _directory: int

    def open(self) -> int:
        """A descriptor for reading the file; the caller closes it."""
        descriptor = os.open(self._name, _OPEN_FILE, dir_fd=self._directory)
        try:
            self.insist_unchanged(os.fstat(descriptor))
        except ArchiveError:
            os.close(descriptor)
            raise
        return descriptor

    def insist_unchanged(self, now: os.stat_result) -> None:
        before = self.status
        if (now.st_ino, now.st_dev, now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
            before.st_ino,
            before.st_dev,
            before.st_size,
            before.st_mtime_ns,
            before.st_ctime_ns,
        ):
            raise changed(self.entry.path)


def changed(path: str) -> ArchiveError:
    return ArchiveError(
        f"cannot read {path!r}: it changed while it was read; stop the container, or let it be paused meanwhile"
    )


def walk(root: Path, ids: Ids, *, skip: str = "") -> Iterator[Found]:
    """The root and all below it, sorted, each directory before its content. `skip` is a name at the top."""
    descriptor = os.open(root, OPEN_DIRECTORY)
    try:
        status = os.fstat(descriptor)
        yield Found(_entry(ROOT, status, ids), status, ROOT, descriptor)
        yield from _below(descriptor, "", ids, {}, status.st_dev, skip)
    finally:
        os.close(descriptor)


def _below(
    directory: int, prefix: str, ids: Ids, links: dict[int, str], device: int, skip: str = ""
) -> Iterator[Found]:
    if prefix.count("/") > DEEPEST:
        raise ArchiveError(f"cannot read {prefix[:60]!r}...: more than {DEEPEST} directories deep; remove it")
    for name in sorted(os.listdir(directory), key=os.fsencode):
        if name == skip:
            continue
        path = prefix + name
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError as error:
            raise changed(path) from error
        if status.st_dev != device:
            raise ArchiveError(f"cannot read {path!r}: another file system is mounted there; unmount it")
        entry = _entry(path, status, ids, name, directory, links)
        yield Found(entry, status, name, directory)
        if entry.kind == DIRECTORY:
            try:
                child = os.open(name, OPEN_DIRECTORY, dir_fd=directory)
            except OSError as error:
                raise changed(path) from error
            try:
                if os.fstat(child).st_ino != status.st_ino:
                    raise changed(path)
                yield from _below(child, f"{path}/", ids, links, device)
            finally:
                os.close(child)


def _entry(
    path: str,
    status: os.stat_result,
    ids: Ids,
    name: str = "",
    directory: int = -1,
    links: dict[int, str] | None = None,
) -> Entry:
    kind, target = _KINDS[stat.S_IFMT(status.st_mode)], ""
    if kind == SYMLINK:
        target = os.readlink(name, dir_fd=directory)
    elif kind != DIRECTORY and status.st_nlink > 1 and links is not None:
        target = links.setdefault(status.st_ino, path)
        kind, target = (kind, "") if target == path else (HARD_LINK, target)
    uid, gid = ids.inside(status.st_uid, status.st_gid)
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=uid,
        gid=gid,
        mtime_ns=status.st_mtime_ns,
        size=status.st_size if kind == FILE else 0,
        target=target,
    )
