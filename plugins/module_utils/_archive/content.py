# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a file without its holes, and one name for a whole tree.

Note that this module util is PRIVATE to the collection.

Holes cost nothing here: a file of a terabyte with one block of data is read as that block. Where a file has holes is
up to the file system, so the digest speaks of blocks that are not all zeros, wherever the holes are.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .tree import HARD_LINK, ROOT, Entry

BLOCK = 65536
_ZEROS = bytes(BLOCK)

Extent = tuple[int, int]


def extents(descriptor: int, size: int) -> list[Extent]:
    """Where the file has data: (offset, length), aligned to blocks, merged, in order."""
    found: list[Extent] = []
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                break
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        start, end = start // BLOCK * BLOCK, min(-(-end // BLOCK) * BLOCK, size)
        if found and start <= sum(found[-1]):
            start = found.pop()[0]
        found.append((start, end - start))
        position = end
    return found


def blocks(descriptor: int, where: list[Extent]) -> Iterator[tuple[int, bytes]]:
    """The blocks of the extents: (offset, bytes). Ends early when the file has become shorter."""
    for offset, length in where:
        end = offset + length
        while offset < end:
            data = os.pread(descriptor, min(BLOCK, end - offset), offset)
            if not data:
                return
            yield offset, data
            offset += len(data)


class Digest:
    """SHA-256 of a file's blocks that are not all zeros, each with its offset, and of its size."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, offset: int, data: bytes) -> None:
        if data != _ZEROS[: len(data)]:
            self._hash.update(offset.to_bytes(8, "big"))
            self._hash.update(data)

    def result(self, size: int) -> str:
        self._hash.update(size.to_bytes(8, "big"))
        return self._hash.hexdigest()


class Listing:
    """Sums up a tree: how many entries of which kind, how many bytes, and a digest of names, owners, modes, content."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._kinds: Counter[str] = Counter()
        self._bytes = 0

    def add(self, entry: Entry, content: str = "") -> None:
        self._kinds[entry.kind] += 1
        self._bytes += entry.size
        if entry.path == ROOT:
            return  # its times change with every name in it
        fields: list[Any] = [entry.path, entry.kind, entry.target]
        if entry.kind != HARD_LINK:
            fields += [entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size, content]
        self._hash.update(json.dumps(fields).encode() + b"\n")

    def result(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {"sha256": self._hash.hexdigest(), "bytes": self._bytes, "entries": dict(sorted(self._kinds.items()))}


def read(descriptor: int, size: int) -> str:
    """The digest of a file that is open."""
    digest = Digest()
    for offset, data in blocks(descriptor, extents(descriptor, size)):
        digest.add(offset, data)
    return digest.result(size)
