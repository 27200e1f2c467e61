# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Message bodies: each reader takes its bytes out of a shared buffer and knows when it is complete."""

from __future__ import annotations

import re
from typing import Final, Protocol

from .grammar import parse_fields
from .limits import CHUNK_LINE_BYTES, TRAILER_BYTES
from .refusals import Refusal

_CRLF: Final = 2
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
)


class Body(Protocol):
    """What the three kinds of body have in common."""

    complete: bool

    def take(self, buffer: bytearray) -> bytes:
        """Remove and return the content that is in the buffer."""


class LengthBody:
    """A body of a known number of bytes."""

    __slots__ = ("_left", "complete")

    def __init__(self, length: int) -> None:
        """A length of 0 is complete at once."""
        self._left = length
        self.complete = length == 0

    def take(self, buffer: bytearray) -> bytes:
        """Never take a byte beyond the length: what follows is another message."""
        if len(buffer) <= self._left:
            data = bytes(buffer)
            buffer.clear()
        else:
            data = bytes(buffer[: self._left])
            del buffer[: self._left]
        self._left -= len(data)
        self.complete = self._left == 0
        return data


class EndlessBody:
    """A body that ends with the connection (answers only)."""

    __slots__ = ("complete",)

    def __init__(self) -> None:
        """Completed by whoever sees the end of the connection."""
        self.complete = False

    def take(self, buffer: bytearray) -> bytes:
        """Everything belongs to the body."""
        data = bytes(buffer)
        buffer.clear()
        return data


class ChunkedBody:
    """A chunked body, decoded; extensions and trailers are checked and dropped."""

    __slots__ = ("_left", "_trailers", "complete")

    def __init__(self) -> None:
        """Begin before the first chunk."""
        self._left = 0
        self._trailers: list[bytes] | None = None
        self.complete = False

    def take(self, buffer: bytearray) -> bytes:
        """Decode as many chunks as there are."""
        out = bytearray()
        while not self.complete:
            if self._left > _CRLF:
                data = buffer[: self._left - _CRLF]
                del buffer[: len(data)]
                out += data
                self._left -= len(data)
                if self._left > _CRLF:
                    break
            if self._left:
                if not b"\r\n".startswith(buffer[:_CRLF]):
                    raise Refusal("chunk")
                if len(buffer) < _CRLF:
                    break
                del buffer[:_CRLF]
                self._left = 0
            if not self._next_line(buffer):
                break
        return bytes(out)

    def _next_line(self, buffer: bytearray) -> bool:
        """Read a chunk's size line or a trailer; False while the line is not complete."""
        limit = CHUNK_LINE_BYTES if self._trailers is None else TRAILER_BYTES
        end = buffer.find(b"\n", 0, limit)
        if end < 0:
            if len(buffer) >= limit:
                raise Refusal("chunk")
            return False
        line = bytes(buffer[: end + 1])
        del buffer[: end + 1]
        if not line.endswith(b"\r\n"):
            raise Refusal("chunk")
        line = line[:-_CRLF]
        if self._trailers is not None:
            self._read_trailer(line)
            return True
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise Refusal("chunk")
        size = int(match[1], 16)
        if size:
            self._left = size + _CRLF
        else:
            self._trailers = []
        return True

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
