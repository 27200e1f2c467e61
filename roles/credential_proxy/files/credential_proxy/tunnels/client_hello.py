# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first message of a TLS client, read for one thing: the name of the server it wants (RFC 8446, 6066).

Everything that could hide another name is refused: no name, two names, an encrypted hello, a repeated extension.
"""

from __future__ import annotations

from typing import Final

from ..limits import HELLO_RECORDS
from ..refusals import Refusal

MAXIMUM: Final = 16 * 1024
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_RECORD_HEAD: Final = 5
_MAJOR_VERSION: Final = 3
_MESSAGE_HEAD: Final = 4
_LONGEST_RECORD: Final = 16 * 1024
_SERVER_NAME: Final = 0
# Encrypted Client Hello, and its forerunner encrypted_server_name.
_HIDING: Final = frozenset({0xFE0D, 0xFE0C, 0xFE0B, 0xFE0A, 0xFE09, 0xFFCE})


def server_name(data: bytes | bytearray) -> str | None:
    """Return the name that the hello asks for; None while it is not complete. Anything else refuses."""
    message = _handshake(data)
    if message is None:
        return None
    return _Hello(message[0]).server_name()


def end_of_hello(data: bytes | bytearray) -> int:
    """Return where the last record of a complete hello ends; another message in that record is refused."""
    message = _handshake(data)
    if message is None or not message[1]:
        raise Refusal("tunnel-hello", detail="more than a hello")
    return message[1]


def _handshake(data: bytes | bytearray) -> tuple[bytes, int] | None:
    """Join the handshake message out of its records; a hello may be spread over some of them.

    With it comes where its last record ends, 0 when that holds more or is not here whole; None: it is not complete.
    """
    message = bytearray()
    at = records = 0
    while len(data) >= at + _RECORD_HEAD:
        records += 1
        if records > HELLO_RECORDS:
            raise Refusal("tunnel-hello", detail="too many records")
        end = at + _RECORD_HEAD + _record_length(data, at)
        message += data[at + _RECORD_HEAD : end]
        if message and message[0] != _CLIENT_HELLO:
            raise Refusal("tunnel-not-tls")
        if len(message) >= _MESSAGE_HEAD:
            wanted = _MESSAGE_HEAD + int.from_bytes(message[1:_MESSAGE_HEAD], "big")
            if wanted > MAXIMUM:
                raise Refusal("tunnel-hello", detail="too long")
            if len(message) >= wanted:
                alone = len(message) == wanted and end <= len(data)
                return bytes(message[_MESSAGE_HEAD:wanted]), end if alone else 0
        at = end
    if data and data[0] != _HANDSHAKE:
        raise Refusal("tunnel-not-tls")
    if len(data) > MAXIMUM:
        raise Refusal("tunnel-hello", detail="too long")
    return None


def _record_length(data: bytes | bytearray, at: int) -> int:
    """Check a record's head and return the length of its content."""
    length = int.from_bytes(data[at + 3 : at + _RECORD_HEAD], "big")
    if data[at] != _HANDSHAKE or data[at + 1] != _MAJOR_VERSION or not 0 < length <= _LONGEST_RECORD:
        raise Refusal("tunnel-not-tls")
    return length


class _Hello:
    """A cursor over the message; reading past its end refuses."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def server_name(self) -> str:
        self._bytes(2 + 32)
        self._vector(1)
        self._vector(2)
        self._vector(1)
        extensions = _Hello(self._vector(2))
        if not self._done:
            raise Refusal("tunnel-hello")
        seen: set[int] = set()
        name = ""
        while not extensions._done:
            kind, content = extensions._number(2), extensions._vector(2)
            if kind in seen:
                raise Refusal("tunnel-hello", detail="repeated extension")
            seen.add(kind)
            if kind in _HIDING:
                raise Refusal("tunnel-hidden-name")
            if kind == _SERVER_NAME:
                name = _one_name(_Hello(content))
        if not name:
            raise Refusal("tunnel-name", detail="no server name")
        return name

    @property
    def _done(self) -> bool:
        return self._at == len(self._data)

    def _bytes(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise Refusal("tunnel-hello", detail="cut")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _number(self, width: int) -> int:
        return int.from_bytes(self._bytes(width), "big")

    def _vector(self, width: int) -> bytes:
        return self._bytes(self._number(width))


def _one_name(extension: _Hello) -> str:
    names = _Hello(extension._vector(2))
    if names._number(1) != 0:
        raise Refusal("tunnel-name", detail="not a host name")
    name = names._vector(2)
    if not names._done or not extension._done:
        raise Refusal("tunnel-name", detail="more than one name")
    try:
        return name.decode("ascii").lower()
    except UnicodeDecodeError:
        raise Refusal("tunnel-name", detail="not ASCII") from None
