# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to one route's upstream: verified, kept alive, used again when they are clean."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from . import limits
from .dial import Dial, Endpoint
from .reactor import Reactor
from .refusals import Refusal
from .resolver import Resolver
from .settings import ConfigError, Route
from .stream import Stream


def tls_context(route: Route) -> ssl.SSLContext | None:
    """Verify the server's name and certificate, TLS 1.2 or newer, HTTP/1.1 only; None for a route without TLS."""
    if not route.tls:
        return None
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


class Upstream:
    """The connections of one route."""

    def __init__(
        self,
        reactor: Reactor,
        resolver: Resolver,
        route: Route,
        context: ssl.SSLContext | None,
        parent: tuple[str, int] | None = None,
    ) -> None:
        """Open nothing before the first request."""
        self.reactor = reactor
        self.resolver = resolver
        self.route = route
        self._endpoint = Endpoint(route.host, route.port, route.address, context, parent)
        self._idle: list[_Idle] = []
        self._retired = False

    def take_idle(self) -> Stream | None:
        """Return a connection that was used before and is still good, if there is one."""
        while self._idle:
            idle = self._idle.pop()
            stream = idle.stream
            if self.reactor.now - idle.since < limits.POOL_IDLE_SECONDS and stream.is_quiet():
                return stream
            stream.close()
        return None

    def dial(self, ready: Callable[[Stream], None], failed: Callable[[Refusal], None]) -> Dial:
        """Open a new connection."""
        dial = Dial(self.reactor, self.resolver, self._endpoint, ready, failed)
        # Not before what this round decided is written down.
        self.reactor.flush_later(dial.start)
        return dial

    def release(self, stream: Stream) -> None:
        """Keep a clean connection for the next request."""
        if stream.closed or self._retired or len(self._idle) >= limits.POOLED_PER_ROUTE:
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
        """Close what is idle, and later what comes back."""
        self._retired = True
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
