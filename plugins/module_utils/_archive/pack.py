# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree -> a tar stream (POSIX format; GNU tar reads it too), summed up on the way.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from . import content, tree
from .content import Digest, Extent, Listing
from .errors import ArchiveError
from .tree import Entry, Found

_TYPES = {
    tree.DIRECTORY: tarfile.DIRTYPE,
    tree.FILE: tarfile.REGTYPE,
    tree.SYMLINK: tarfile.SYMTYPE,
    tree.HARD_LINK: tarfile.LNKTYPE,
    tree.FIFO: tarfile.FIFOTYPE,
}
_PIPE_BYTES = 1 << 20
NANO = 10**9


def pack(found: Iterable[Found], sink: BinaryIO, *, limit: int | None) -> dict[str, Any]:
    """Writes the tar and returns what it holds. More than `limit` bytes of file data are refused."""
    listing = Listing()
    written = 0
    options: dict[str, Any] = {"bufsize": _PIPE_BYTES, "copybufsize": content.BLOCK}
    with tarfile.open(
        fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape", **options
    ) as tar:
        for one in found:
            if one.entry.kind in tree.LEFT_OUT:
                continue
            if one.entry.kind != tree.FILE:
                tar.addfile(_header(one.entry))
                listing.add(one.entry)
                continue
            descriptor = one.open()
            try:
                where = content.extents(descriptor, one.entry.size)
                written += sum(length for _offset, length in where)
                insist_on_limit(written, limit)
                digest = _add_file(tar, one.entry, descriptor, where)
                one.insist_unchanged(os.fstat(descriptor))
            finally:
                os.close(descriptor)
            listing.add(one.entry, digest)
    return listing.result()


def insist_on_limit(size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise ArchiveError(
            f"cannot save the workspace: its files have more than {limit} bytes; remove some, or raise size_limit"
        )


def _header(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.kind]
    info.mode, info.uid, info.gid, info.size = entry.mode, entry.uid, entry.gid, entry.size
    info.linkname = entry.target
    info.mtime = entry.mtime_ns // NANO
    seconds, fraction = divmod(abs(entry.mtime_ns), NANO)
    info.pax_headers = {"mtime": f"{'-' if entry.mtime_ns < 0 else ''}{seconds}.{fraction:09d}"}
    return info


def _add_file(tar: tarfile.TarFile, entry: Entry, descriptor: int, where: list[Extent]) -> str:
    info = _header(entry)
    table = b""
    if where != ([(0, entry.size)] if entry.size else []):
        # GNU's sparse format 1.0: the table of extents comes first, padded to tar's block size, then their data. For
        # GNU tar, the last extent says where the file ends.
        told = [*where, (entry.size, 0)]
        numbers = [len(told), *(number for extent in told for number in extent)]
        table = "".join(f"{number}\n" for number in numbers).encode()
        table += bytes(-len(table) % tarfile.BLOCKSIZE)
        info.pax_headers = {
            **info.pax_headers,
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": entry.path,
            "GNU.sparse.realsize": str(entry.size),
        }
        info.size = len(table) + sum(length for _offset, length in where)
    digest = Digest()
    try:
        tar.addfile(info, io.BufferedReader(_Pieces(_with_digest(table, descriptor, where, digest)), content.BLOCK))
    except OSError as error:
        if error.errno is None:  # tarfile's way to say that the data ended too soon
            raise tree.changed(entry.path) from error
        raise
    return digest.result(entry.size)


def _with_digest(table: bytes, descriptor: int, where: list[Extent], digest: Digest) -> Iterator[bytes]:
    if table:
        yield table
    for offset, data in content.blocks(descriptor, where):
        digest.add(offset, data)
        yield data


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a file to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = next(self._pieces, b"")
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)
