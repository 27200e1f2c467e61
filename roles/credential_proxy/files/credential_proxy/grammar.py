# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of HTTP/1.1 heads, read strictly: what two programs could read in two ways is refused (RFC 9112).

Names with ``_`` are refused although they are tokens: a program behind us may take ``content_length`` for the real one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .limits import HEAD_BYTES, HEAD_FIELDS, LINE_BYTES
from .refusals import Refusal

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields in their order: (lower-case name, value)."""

_NAME: Final = rb"[!#$%&'*+.^`|~0-9A-Za-z-]+"
_FIELD: Final = re.compile(rb"(" + _NAME + rb"):([\t\x20-\x7e\x80-\xff]*)")
CHUNKED: Final = -1
_STRAY: Final = re.compile(rb"[\r\n\0]")
_NO_OPTIONS: Final[frozenset[bytes]] = frozenset()
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,9}")


def take_head(data: bytes, scanned: int) -> tuple[bytes, bytes] | None:
    """Return one head without its empty line, and what follows it; None while the head is not complete.

    ``scanned`` is the data's length at the last call, so that a head sent byte by byte is not searched anew.
    """
    start = scanned - 3 if scanned > 3 else 0
    end = data.find(b"\r\n\r\n", start, HEAD_BYTES + 4)
    if end < 0:
        if data:
            _check_beginning(data, start)
        return None
    return data[:end], data[end + 4 :]


def lines_of(text: bytes) -> list[bytes]:
    """Cut a head, or its fields, into lines; what must not stand in a line is found by whoever matches it."""
    lines = text.split(b"\r\n")
    if len(text) > LINE_BYTES and max(map(len, lines)) > LINE_BYTES:
        raise Refusal("head-size")
    return lines


def _check_beginning(data: bytes, start: int) -> None:
    """Refuse a head as soon as it can no longer become a good one."""
    text = data[start:]
    # It may begin and end in the middle of a CRLF.
    pairs = text.count(b"\r\n")
    feeds = text.count(b"\n", 1 if start and text[:1] == b"\n" else 0)
    if feeds != pairs or text.count(b"\r") != pairs + text.endswith(b"\r") or b"\0" in text:
        raise Refusal("line-end")
    if len(data) > HEAD_BYTES or (len(data) > LINE_BYTES and b"\r\n" not in data[: LINE_BYTES + 2]):
        raise Refusal("head-size")


def malformed(line: bytes, rule: str) -> Refusal:
    """Return the refusal of a line that does not match: a CR, LF or NUL inside is a matter of its own."""
    return Refusal("line-end" if _STRAY.search(line) else rule)


def parse_fields(lines: list[bytes]) -> Fields:
    """Read header lines; a continuation line, an odd name or a control character refuses the whole message."""
    if len(lines) > HEAD_FIELDS:
        raise Refusal("head-size")
    short = max(map(len, lines), default=0) < REMEMBERED_BYTES
    return tuple(map(_known_field if short else _field, lines))


def _field(line: bytes) -> tuple[bytes, bytes]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise malformed(line, "field")
    return match[1].lower(), match[2].strip(b" \t")


# The same lines come again and again; at most half a MiB is remembered.
REMEMBERED_BYTES: Final = 256
_known_field = lru_cache(maxsize=2048)(_field)


def values(fields: Fields, name: bytes) -> list[bytes]:
    """Return every value of a field."""
    return [value for key, value in fields if key == name]


def body_length(fields: Fields, names: dict[bytes, bytes]) -> int | None:
    """Read how long the body is: a length, ``CHUNKED``, None when neither field is there; ``names`` is dict(fields)."""
    if b"transfer-encoding" in names:
        encodings = values(fields, b"transfer-encoding")
        if b"content-length" in names or len(encodings) > 1 or encodings[0].lower() != b"chunked":
            raise Refusal("transfer-encoding")
        return CHUNKED
    length = names.get(b"content-length")
    if length is None:
        return None
    if not _LENGTH.fullmatch(length) or (len(names) != len(fields) and len(values(fields, b"content-length")) > 1):
        raise Refusal("content-length")
    return int(length)


def connection_options(fields: Fields, names: dict[bytes, bytes]) -> frozenset[bytes]:
    """Return the names that the Connection fields list; ``names`` is dict(fields)."""
    if b"connection" not in names:
        return _NO_OPTIONS
    once = len(names) == len(fields)
    return _options(names[b"connection"] if once else b",".join(values(fields, b"connection")))


@lru_cache(maxsize=64)
def _options(listed: bytes) -> frozenset[bytes]:
    return frozenset(name.strip(b" \t").lower() for name in listed.split(b","))
