# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Message bodies: each reader takes its bytes from the front of what arrived and knows when it is complete."""

from __future__ import annotations

import re
from typing import Final, Protocol

from .grammar import parse_fields
from .limits import CHUNK_LINE_BYTES, TRAILER_BYTES
from .refusals import Refusal

_CRLF: Final = 2
_CR: Final = 0x0D
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
)


class Body(Protocol):
    """What the three kinds of body have in common."""

    complete: bool

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the content that is in the data, and what is left: the next message's, or to be given again."""


class LengthBody:
    """A body of a known number of bytes."""

    __slots__ = ("_left", "complete")

    def __init__(self, length: int) -> None:
        """A length of 0 is complete at once."""
        self._left = length
        self.complete = length == 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Never take a byte beyond the length: what follows is another message."""
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data, b""
        self._left = 0
        self.complete = True
        return (data[:left], data[left:]) if left else (data, b"")


class EndlessBody:
    """A body that ends with the connection (answers only)."""

    __slots__ = ("complete",)

    def __init__(self) -> None:
        """Completed by whoever sees the end of the connection."""
        self.complete = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Everything belongs to the body."""
        return data, b""


class ChunkedBody:
    """A chunked body, decoded; extensions and trailers are checked and dropped."""

    __slots__ = ("_left", "_trailers", "complete")

    def __init__(self) -> None:
        """Begin before the first chunk."""
        self._left = 0
        self._trailers: list[bytes] | None = None
        self.complete = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Decode as many chunks as there are."""
        pieces = []
        at = 0
        while not self.complete:
            if self._left > _CRLF:
                piece = data[at : at + self._left - _CRLF]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left > _CRLF:
                    break
            if self._left:
                end = data[at : at + _CRLF]
                if not b"\r\n".startswith(end):
                    raise Refusal("chunk")
                if len(end) < _CRLF:
                    break
                at += _CRLF
                self._left = 0
            line = self._next_line(data, at)
            if line is None:
                break
            at += len(line) + _CRLF
            self._read_line(line)
        return b"".join(pieces), data[at:]

    def _next_line(self, data: bytes, at: int) -> bytes | None:
        """Return a chunk's size line or a trailer, without its end; None while it is not complete."""
        limit = CHUNK_LINE_BYTES if self._trailers is None else TRAILER_BYTES
        end = data.find(b"\n", at, at + limit)
        if end < 0:
            if len(data) - at >= limit:
                raise Refusal("chunk")
            return None
        if end == at or data[end - 1] != _CR:
            raise Refusal("chunk")
        return data[at : end - 1]

    def _read_line(self, line: bytes) -> None:
        """Read the size of the next chunk, or a trailer after the last one."""
        if self._trailers is not None:
            self._read_trailer(line)
            return
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise Refusal("chunk")
        size = int(match[1], 16)
        if size:
            self._left = size + _CRLF
        else:
            self._trailers = []

    def _read_trailer(self, line: bytes) -> None:
        """Check a trailer's form and forget it; an empty line ends the body."""
        if not line:
            parse_fields(self._trailers or [])
            self.complete = True
            return
        assert self._trailers is not None
        self._trailers.append(line)
        if sum(map(len, self._trailers)) > TRAILER_BYTES:
            raise Refusal("chunk")
