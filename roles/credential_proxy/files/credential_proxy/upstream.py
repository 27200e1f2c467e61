# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to one route's upstream: dialled at the vetted or configured address, verified, kept alive."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from . import limits
from .config import ConfigError, Route
from .reactor import Reactor
from .refusals import Refusal
from .resolver import Outcome, Resolver
from .stream import Stream


def tls_context(route: Route) -> ssl.SSLContext:
    """Verify the server's name and certificate, TLS 1.2 or newer, HTTP/1.1 only."""
    try:
        context = ssl.create_default_context(cafile=route.ca_file)
    except OSError as error:
        raise ConfigError([f"cannot use ca_file {route.ca_file} of route {route.name}: {error}"]) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The default from Python 3.13 on: the same certificate must not be good on one host and bad on another.
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dial:
    """One attempt to get a connection: the addresses in turn, ten seconds in all; owns the stream until it is ready."""

    def __init__(self, upstream: Upstream, ready: Callable[[Stream], None], failed: Callable[[Refusal], None]) -> None:
        """Call exactly one of ``ready`` and ``failed``, or none after ``cancel``."""
        self._upstream = upstream
        self._ready = ready
        self._failed = failed
        self._addresses: list[tuple[str, int]] = []
        self._stream: Stream | None = None
        self._over = False
        self._timer = upstream.reactor.call_later(limits.DIAL_SECONDS, self._expired)

    def start(self) -> None:
        """Find out where to dial."""
        route = self._upstream.route
        if route.address is not None:
            self._addresses = [route.address]
            self._next(Refusal("upstream-connect"))
        else:
            self._upstream.resolver.resolve(route.host, self._resolved)

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
        self._addresses = [(address, self._upstream.route.port) for address in outcome]
        self._next(Refusal("upstream-connect"))

    def _next(self, last: Refusal) -> None:
        if not self._addresses:
            self._fail(last)
            return
        address = self._addresses.pop(0)
        upstream = self._upstream
        try:
            self._stream = Stream.connect(upstream.reactor, address, self, upstream.context, upstream.route.host)
        except OSError as error:
            self._next(Refusal("upstream-connect", detail=str(error)))

    def _fail(self, refusal: Refusal) -> None:
        self.cancel()
        self._failed(refusal)

    def _expired(self) -> None:
        self._fail(Refusal("upstream-connect", detail=f"no connection in {limits.DIAL_SECONDS:g} seconds"))

    def stream_ready(self) -> None:
        """Hand the stream over."""
        assert self._stream is not None
        self._over = True
        self._timer.cancel()
        self._ready(self._stream)

    def stream_lost(self, cause: OSError) -> None:
        """Try the next address."""
        if not self._over:
            rule = "upstream-tls" if isinstance(cause, ssl.SSLError) else "upstream-connect"
            self._next(Refusal(rule, detail=str(cause)))

    def stream_data(self, data: bytes) -> None:
        """Nothing is read before the stream is handed over."""

    def stream_end(self) -> None:
        """Nothing is read before the stream is handed over."""

    def stream_drained(self) -> None:
        """Nothing is written before the stream is handed over."""


class Upstream:
    """The connections of one route."""

    def __init__(self, reactor: Reactor, resolver: Resolver, route: Route, context: ssl.SSLContext) -> None:
        """Open nothing before the first request."""
        self.reactor = reactor
        self.resolver = resolver
        self.route = route
        self.context = context
        self._idle: list[_Idle] = []

    def acquire(self, ready: Callable[[Stream], None], failed: Callable[[Refusal], None]) -> Dial:
        """Use an idle connection or dial a new one."""
        dial = Dial(self, ready, failed)
        while self._idle:
            idle = self._idle.pop()
            stream = idle.stream
            if self.reactor.now - idle.since < limits.POOL_IDLE_SECONDS and stream.is_quiet():
                dial.cancel()
                ready(stream)
                return dial
            stream.close()
        dial.start()
        return dial

    def release(self, stream: Stream) -> None:
        """Keep a clean connection for the next request."""
        if stream.closed or len(self._idle) >= limits.POOLED_PER_ROUTE:
            stream.close()
            return
        self._idle.append(_Idle(self, stream, self.reactor.now))
        stream.resume()

    def forget(self, idle: _Idle) -> None:
        """Drop an idle connection that ended or spoke without being asked."""
        idle.stream.close()
        if idle in self._idle:
            self._idle.remove(idle)

    def close(self) -> None:
        """Close what is idle."""
        for idle in self._idle:
            idle.stream.close()
        self._idle.clear()


class _Idle:
    """Owner of a pooled stream: whatever happens on it ends it."""

    def __init__(self, upstream: Upstream, stream: Stream, since: float) -> None:
        self._upstream = upstream
        self.stream = stream
        self.since = since
        stream.owner = self

    def stream_ready(self) -> None:
        """Already established."""

    def stream_drained(self) -> None:
        """Nothing is written while idle."""

    def stream_data(self, _data: bytes) -> None:
        """Unasked bytes cannot be trusted to belong to any request."""
        self._upstream.forget(self)

    def stream_end(self) -> None:
        """The upstream closed its idle connection, as servers do."""
        self._upstream.forget(self)

    def stream_lost(self, _cause: OSError) -> None:
        """The idle connection broke."""
        self._upstream.forget(self)
