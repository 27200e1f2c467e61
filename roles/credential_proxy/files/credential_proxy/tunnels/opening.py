# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The beginning of a tunnel, without sockets: what the client may send while it can still ask for another name.

A server that wants another key exchange answers with a HelloRetryRequest, and the client says hello again (RFC 8446,
4.1.4), perhaps with another name. So the server's answer is looked at, too, and a second hello is read like the first.
"""

from __future__ import annotations

import enum
from typing import Final

from ..refusals import Refusal
from .client_hello import end_of_hello, server_name

_RECORD_HEAD: Final = 5
_MESSAGE_HEAD: Final = 4
_HANDSHAKE: Final = 22
# A record for show (change_cipher_spec), and early data, which a server ignores that asks for another hello.
_EARLY: Final = (b"\x14", b"\x17")
_SERVER_HELLO: Final = 2
# Behind the heads of record and message and two bytes of version; RFC 8446, 4.1.3 fixes it for a HelloRetryRequest.
_RANDOM_AT: Final = _RECORD_HEAD + _MESSAGE_HEAD + 2
_RANDOM_BYTES: Final = 32
_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class _Phase(enum.Enum):
    HELLO = enum.auto()
    ANSWER = enum.auto()
    SECOND_HELLO = enum.auto()
    SETTLED = enum.auto()


class Opening:
    """Fed with the bytes of both sides; gives out those of the client that may go to the server."""

    def __init__(self, host: str) -> None:
        """Begin before the first hello, which must name this host."""
        self._host = host
        self._phase = _Phase.HELLO
        self._held = b""
        self._answer = b""

    @property
    def wants_client(self) -> bool:
        """Tell whether more of the client is needed; what it sends before the server's answer can wait."""
        return self._phase is not _Phase.ANSWER

    @property
    def settled(self) -> bool:
        """Tell whether everything may pass from now on."""
        return self._phase is _Phase.SETTLED

    def client(self, data: bytes) -> bytes:
        """Take bytes of the client; return what the server may get now. Refuses another name, and what is no hello."""
        self._held += data
        if self._phase is _Phase.HELLO:
            if not self._names_host(self._held):
                return b""
            end = end_of_hello(self._held)
            hello, self._held = self._held[:end], self._held[end:]
            self._phase = _Phase.ANSWER
            return hello
        if self._phase is _Phase.SECOND_HELLO:
            return self._second()
        return self._release() if self.settled else b""

    def server(self, data: bytes) -> bytes:
        """Take bytes of the server, which all go to the client; return what the server may get now."""
        if self._phase is not _Phase.ANSWER:
            return b""
        self._answer += data
        if self._answer[0] == _HANDSHAKE:
            if len(self._answer) < _RANDOM_AT + _RANDOM_BYTES:
                return b""
            if _asks_again(self._answer):
                self._phase = _Phase.SECOND_HELLO
                return self.client(b"")
        self._phase = _Phase.SETTLED
        return self._release()

    def _second(self) -> bytes:
        """Let through what may come before a second hello, and that hello itself."""
        end = _end_of_early(self._held)
        early, self._held = self._held[:end], self._held[end:]
        if self._held[:1] in _EARLY or not self._names_host(self._held):
            return early
        self._phase = _Phase.SETTLED
        return early + self._release()

    def _names_host(self, hello: bytes) -> bool:
        """Tell whether the hello is complete, and refuse one with another name."""
        name = server_name(hello)
        if name is not None and name != self._host:
            raise Refusal("tunnel-name", detail=name[:120])
        return name is not None

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held


def _asks_again(answer: bytes) -> bool:
    """Tell whether the server's first record is a HelloRetryRequest; one too short to tell is refused."""
    if int.from_bytes(answer[3:_RECORD_HEAD], "big") < _RANDOM_AT + _RANDOM_BYTES - _RECORD_HEAD:
        raise Refusal("tunnel-hello", detail="the server's is in pieces")
    random = answer[_RANDOM_AT : _RANDOM_AT + _RANDOM_BYTES]
    return answer[_RECORD_HEAD] == _SERVER_HELLO and random == _RETRY


def _end_of_early(data: bytes) -> int:
    """Return where the records end that are no hello."""
    at = 0
    while len(data) >= at + _RECORD_HEAD and data[at : at + 1] in _EARLY:
        end = at + _RECORD_HEAD + int.from_bytes(data[at + 3 : at + _RECORD_HEAD], "big")
        if end > len(data):
            break
        at = end
    return at
