# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outgoing connections: to the vetted or configured address, if need be through a parent proxy, then TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from . import limits
from .grammar import take_head
from .reactor import Reactor
from .refusals import Refusal
from .resolver import Outcome, Resolver
from .stream import Stream


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect to; without ``context`` no TLS is spoken, ``address`` takes the place of a look-up."""

    host: str
    port: int
    address: tuple[str, int] | None
    context: ssl.SSLContext | None
    parent: tuple[str, int] | None = None


class Dial:
    """One attempt to get a connection: the addresses in turn, ten seconds in all; owns the stream until it is ready."""

    def __init__(
        self,
        reactor: Reactor,
        resolver: Resolver,
        endpoint: Endpoint,
        ready: Callable[[Stream], None],
        failed: Callable[[Refusal], None],
    ) -> None:
        """Call exactly one of ``ready`` and ``failed``, or none after ``cancel``."""
        self._reactor = reactor
        self._resolver = resolver
        self._endpoint = endpoint
        self._ready = ready
        self._failed = failed
        self._addresses: list[tuple[str, int]] = []
        self._stream: Stream | None = None
        self._reply = b""
        self._asking_parent = False
        self._over = False
        self._timer = reactor.call_later(limits.DIAL_SECONDS, self._expired)

    def start(self) -> None:
        """Find out where to dial. A parent proxy resolves names itself, so nothing can be vetted here then."""
        if self._over:
            return
        fixed = self._endpoint.address or self._endpoint.parent
        if fixed is not None:
            self._addresses = [fixed]
            self._next(Refusal("upstream-connect"))
        else:
            self._resolver.resolve(self._endpoint.host, self._resolved)

    def cancel(self) -> None:
        """Nobody wants the connection any more."""
        self._over = True
        self._timer.cancel()
        if self._stream is not None:
            self._stream.close()

    def _resolved(self, outcome: Outcome) -> None:
        if self._over:
            return
        if isinstance(outcome, Refusal):
            self._fail(outcome)
            return
        self._addresses = [(address, self._endpoint.port) for address in outcome]
        self._next(Refusal("upstream-connect"))

    def _next(self, last: Refusal) -> None:
        if not self._addresses:
            self._fail(last)
            return
        address = self._addresses.pop(0)
        self._asking_parent = self._endpoint.address is None and self._endpoint.parent is not None
        try:
            self._stream = Stream.connect(self._reactor, address, self)
        except OSError as error:
            self._next(Refusal("upstream-connect", detail=str(error)))

    def _fail(self, refusal: Refusal) -> None:
        self.cancel()
        self._failed(refusal)

    def _expired(self) -> None:
        self._fail(Refusal("upstream-connect", detail=f"no connection in {limits.DIAL_SECONDS:g} seconds"))

    def stream_ready(self) -> None:
        """Go on to the next layer, or hand the stream over."""
        assert self._stream is not None
        endpoint = self._endpoint
        if self._asking_parent:
            target = f"{endpoint.host}:{endpoint.port}"
            self._stream.write(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n".encode("ascii"))
            self._stream.resume()
        elif endpoint.context is not None and not self._stream.encrypted:
            self._stream.start_tls(endpoint.context, endpoint.host)
        else:
            self._over = True
            self._timer.cancel()
            self._ready(self._stream)

    def stream_lost(self, cause: OSError) -> None:
        """Try the next address."""
        if not self._over:
            rule = "upstream-tls" if isinstance(cause, ssl.SSLError) else "upstream-connect"
            self._next(Refusal(rule, detail=str(cause)))

    def stream_data(self, data: bytes) -> None:
        """Read the parent proxy's answer; nothing else is read before the stream is handed over."""
        assert self._stream is not None
        self._reply += data
        try:
            taken = take_head(self._reply, 0)
        except Refusal:
            taken = b"", b""
        if taken is None:
            return
        head, rest = taken
        line = head.partition(b"\r\n")[0]
        if line.split(b" ")[1:2] != [b"200"] or rest:
            self._fail(Refusal("upstream-connect", detail=f"the parent proxy said {line[:80]!r}"))
            return
        self._asking_parent = False
        self._stream.pause()
        self.stream_ready()

    def stream_end(self) -> None:
        """Take the parent proxy's hanging up for a refusal."""
        self._fail(Refusal("upstream-connect", detail="the parent proxy hung up"))

    def stream_drained(self) -> None:
        """Nothing is written that anybody waits for."""
