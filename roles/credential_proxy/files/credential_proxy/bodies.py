# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Message bodies: each reader takes its bytes from the front of what arrived and knows when it is complete."""

from __future__ import annotations

import math
import re
from typing import Final, Protocol

from .grammar import parse_fields
from .limits import CHUNK_AVERAGE_BYTES, CHUNK_LINE_BYTES, HEAD_FIELDS, SMALL_CHUNKS, TRAILER_BYTES
from .refusals import Refusal

_CRLF: Final = 2
_CR: Final = 0x0D
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
# The size line of nearly every chunk: with its end, without extensions.
_PLAIN_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
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
    """A chunked body, decoded; extensions and trailers are checked and dropped.

    Tiny chunks are work for few bytes: a body with more than ``SMALL_CHUNKS`` at a stretch that are shorter than
    ``CHUNK_AVERAGE_BYTES`` on average is refused.
    """

    __slots__ = ("_credit", "_left", "_most_credit", "_trailer_bytes", "_trailers", "complete")

    def __init__(self, *, trusted: bool = False) -> None:
        """Begin before the first chunk; trusted: whoever sends it may send chunks of any size, as events are."""
        self._left = 0
        # By how many bytes the chunks may still stay behind the average; large ones do not pay for any number later.
        self._credit = self._most_credit = math.inf if trusted else SMALL_CHUNKS * CHUNK_AVERAGE_BYTES
        self._trailers: list[bytes] | None = None
        self._trailer_bytes = 0
        self.complete = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Decode as many chunks as there are."""
        pieces: list[bytes] = []
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
            if self._trailers is None:
                at = self._take_whole(data, at, pieces)
                if at == len(data):
                    break
            line = self._next_line(data, at)
            if line is None:
                break
            at += len(line) + _CRLF
            self._read_line(line)
        return b"".join(pieces), data[at:]

    def _take_whole(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Take the chunks that are there whole and plain; return where the first other one begins."""
        while (match := _PLAIN_LINE.match(data, at)) is not None:
            size, start = int(match[1], 16), match.end()
            end = start + size
            if not size or data[end : end + _CRLF] != b"\r\n":
                break
            pieces.append(data[start:end])
            at = end + _CRLF
            self._pay(size)
        return at

    def _pay(self, size: int) -> None:
        """Count a chunk of this many bytes."""
        self._credit += size - CHUNK_AVERAGE_BYTES
        if self._credit < 0:
            raise Refusal("chunk-size")
        if self._credit > self._most_credit:
            self._credit = self._most_credit

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
            self._pay(size)
        else:
            self._trailers = []

    def _read_trailer(self, line: bytes) -> None:
        """Check a trailer's form and forget it; an empty line ends the body."""
        trailers = self._trailers
        assert trailers is not None
        if not line:
            parse_fields(trailers)
            self.complete = True
            return
        trailers.append(line)
        self._trailer_bytes += len(line)
        if len(trailers) > HEAD_FIELDS or self._trailer_bytes > TRAILER_BYTES:
            raise Refusal("chunk")
