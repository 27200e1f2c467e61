# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two directory trees are the same in everything that Docker's data lives by.

Note that this module util is PRIVATE to the collection.

Names, types, owners, modes, times, device numbers, targets of symbolic links, extended attributes (capabilities and
access lists are such), which names are hard links of one file, and the SHA-256 of every content.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1024 * 1024
#: Below this no more differences are named.
_NAMED = 5


@dataclass(frozen=True)
class Comparison:
    """``entries`` and ``bytes`` of the first tree; ``different`` holds the first few names that differ."""

    entries: int
    bytes: int
    different: tuple[str, ...]


def compare(left: Path, right: Path) -> Comparison:
    """Walk both trees side by side; neither may change meanwhile."""
    different: list[str] = []
    entries = content = 0
    theirs = _describe(right)
    for name, description, size in _described(left):
        entries += 1
        content += size
        if theirs.pop(name, None) != description and len(different) < _NAMED:
            different.append(name)
    different += sorted(theirs)[: _NAMED - len(different)]
    return Comparison(entries, content, tuple(different))


def _describe(root: Path) -> dict[str, bytes]:
    return {name: description for name, description, _size in _described(root)}


def _described(root: Path) -> Iterator[tuple[str, bytes, int]]:
    """(path below root, digest of all that is compared, bytes of content) of every entry."""
    first_name: dict[int, str] = {}
    for path in _walk(root):
        status = path.lstat()
        name = str(path.relative_to(root))
        same_as = first_name.setdefault(status.st_ino, name) if not stat.S_ISDIR(status.st_mode) else name
        linked = same_as != name
        said = [
            str(value)
            for value in (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, same_as, _attributes(path))
        ]
        size = 0
        if not stat.S_ISDIR(status.st_mode):
            said += [str(status.st_mtime_ns), str(status.st_nlink)]
        if stat.S_ISLNK(status.st_mode):
            said.append(str(path.readlink()))
        elif stat.S_ISREG(status.st_mode) and not linked:
            size = status.st_size
            said += [str(size), _checksum(path)]
        yield name, hashlib.sha256("\0".join(said).encode("utf-8", "surrogateescape")).digest(), size


def _walk(root: Path) -> Iterator[Path]:
    """root and all below it on the same file system, parents first, in a fixed order."""
    device = root.lstat().st_dev
    waiting = [root]
    while waiting:
        path = waiting.pop()
        yield path
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
            waiting += sorted(path.iterdir(), reverse=True)


def _attributes(path: Path) -> list[tuple[str, bytes]]:
    return [
        (name, os.getxattr(path, name, follow_symlinks=False))
        for name in sorted(os.listxattr(path, follow_symlinks=False))
    ]


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
