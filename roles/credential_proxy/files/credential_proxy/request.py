# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests: from bytes to a checked head, body pieces and an end, without a socket."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from . import grammar
from .bodies import Body, ChunkedBody, LengthBody
from .limits import BODY_BYTES, LINE_BYTES, SHORT_HEAD_BYTES
from .refusals import Refusal

_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])")
_HOST: Final = re.compile(rb"(?:[0-9A-Za-z.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_WITHOUT_BODY: Final = ("GET", "HEAD", "CONNECT")


@dataclass(slots=True, eq=False)
class RequestHead:
    """One checked request head, never changed: requests with the same bytes may share it.

    The target is kept as it was sent, ``options`` are what Connection lists. What follows from a ``short`` head may be
    remembered with it.
    """

    method: str
    target: str
    fields: grammar.Fields
    length: int
    wants_continue: bool
    options: frozenset[bytes] = frozenset()
    short: bool = False

    @property
    def chunked(self) -> bool:
        """Tell whether the body's length is not known yet."""
        return self.length == grammar.CHUNKED


class End(enum.Enum):
    """The request is complete; one without a body is so with its head."""

    MESSAGE = enum.auto()


def parse_request(text: bytes) -> RequestHead:
    """Check a head by itself: syntax, version, Host and framing. What may be asked for is the policy's concern."""
    return (_known_head if len(text) <= SHORT_HEAD_BYTES else _read_head)(text)


def _read_head(text: bytes) -> RequestHead:
    line, _end, rest = text.partition(b"\r\n")
    method, target = _read_line(line)
    fields = grammar.parse_fields(grammar.lines_of(rest) if rest else [])
    names = dict(fields)
    host = names.get(b"host")
    if host is None or not _HOST.fullmatch(host) or len(grammar.values(fields, b"host")) > 1:
        raise Refusal("host")
    length = grammar.body_length(fields, names) or 0
    if length > BODY_BYTES:
        raise Refusal("body-size")
    expects = b"expect" in names
    if expects and [value.lower() for value in grammar.values(fields, b"expect")] != [b"100-continue"]:
        raise Refusal("expectation")
    # Other methods with a body are the policy's to refuse, which knows better words.
    if length and method in _WITHOUT_BODY:
        raise Refusal("unexpected-body")
    options = grammar.connection_options(fields, names)
    return RequestHead(method, target, fields, length, expects and length != 0, options, len(text) <= SHORT_HEAD_BYTES)


# A client repeats itself from one request to the next.
_known_head = lru_cache(maxsize=512)(_read_head)


def _read_line(line: bytes) -> tuple[str, str]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise grammar.malformed(line, "request-line")
    if match[3] != b"1.1":
        raise Refusal("http-version")
    if len(line) > LINE_BYTES:
        raise Refusal("head-size")
    return match[1].decode("ascii"), match[2].decode("ascii")


class RequestReader:
    """Cuts a client's bytes into events; bytes after a request's end are the next request, under the full rules."""

    __slots__ = ("_arrived", "_body", "_scanned", "_taken")

    def __init__(self) -> None:
        """Begin before the first request."""
        self._arrived = b""
        self._scanned = 0
        self._body: Body | None = None
        self._taken = 0

    @property
    def idle(self) -> bool:
        """Tell whether nothing of a request has arrived."""
        return self._body is None and not self._arrived

    @property
    def in_body(self) -> bool:
        """Tell whether a head was given out whose body is not complete."""
        return self._body is not None

    def take_rest(self) -> bytes:
        """Give out what came after the last head: it belongs to a tunnel."""
        rest, self._arrived = self._arrived, b""
        self._body = None
        return rest

    def feed(self, data: bytes) -> None:
        """Add what the client sent."""
        self._arrived = self._arrived + data if self._arrived else data

    def next_event(self) -> RequestHead | bytes | End | None:
        """Return the next head, piece of body or end; None when more bytes are needed."""
        body = self._body
        if body is None:
            return self._next_head() if self._arrived else None
        if body.complete:
            self._body = None
            return End.MESSAGE
        data, self._arrived = body.take(self._arrived)
        self._taken += len(data)
        if self._taken > BODY_BYTES:
            raise Refusal("body-size")
        if data:
            return data
        return self.next_event() if body.complete else None

    def _next_head(self) -> RequestHead | None:
        taken = grammar.take_head(self._arrived, self._scanned)
        if taken is None:
            self._scanned = len(self._arrived)
            return None
        text, self._arrived = taken
        self._scanned = self._taken = 0
        head = parse_request(text)
        if head.length:
            self._body = ChunkedBody() if head.chunked else LengthBody(head.length)
        return head
