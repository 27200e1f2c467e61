# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One tunnel: the client's hello is read and compared, the vetted address is dialled, the server's answer is looked at,
then bytes flow both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import limits
from ..dial import Dial, Endpoint
from ..reactor import Reactor
from ..refusals import Refusal
from ..resolver import Resolver
from ..settings import TunnelHost
from ..stream import Stream
from .opening import Opening
from .splice import Splice

_PORT = 443


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a tunnel ended; no rule means that both sides had finished."""

    rule: str
    detail: str
    bytes_in: int
    bytes_out: int
    address: str


class ClientTunnel:
    """Owns the client's stream from the moment that CONNECT was answered."""

    def __init__(
        self,
        reactor: Reactor,
        resolver: Resolver,
        client: Stream,
        host: TunnelHost,
        ended: Callable[[Outcome], None],
    ) -> None:
        """Do nothing before ``start``; call ``ended`` once."""
        self._reactor = reactor
        self._resolver = resolver
        self._client = client
        self._host = host
        self._ended = ended
        self._opening = Opening(host.host)
        self._first = b""
        self._dial: Dial | None = None
        self._server: Stream | None = None
        self._sent = [0, 0]
        self._splice: Splice | None = None
        self._parent: tuple[str, int] | None = None
        self._address = ""
        self._over = False
        self._timer = reactor.call_later(limits.HELLO_SECONDS, lambda: self.cut("tunnel-timeout"))

    @property
    def host(self) -> str:
        """Return the name of the host."""
        return self._host.host

    def start(self, first: bytes, parent: tuple[str, int] | None) -> None:
        """Take over the stream, and what the client sent together with its CONNECT."""
        self._parent = parent
        self._client.owner = self
        self._client.resume()
        if first:
            self.stream_data(first)

    def cut(self, rule: str, detail: str = "") -> None:
        """End at once."""
        if self._over:
            return
        self._over = True
        self._timer.cancel()
        if self._dial is not None:
            self._dial.cancel()
        up, down = self._splice.close() if self._splice is not None else (0, 0)
        self._client.flush()
        self._client.close()
        self._ended(Outcome(rule, detail, self._sent[0] + up, self._sent[1] + down, self._address))

    def stream_ready(self) -> None:
        """An accepted stream is ready from the start."""

    def stream_drained(self) -> None:
        """The answer to CONNECT has left."""

    def stream_data(self, data: bytes) -> None:
        """Read the hello; once it is complete and good, dial. A second one goes to the server that asked for it."""
        try:
            passing = self._opening.client(data)
        except Refusal as refusal:
            self.cut(refusal.rule, refusal.detail)
            return
        if self._server is not None:
            self._go_on(passing)
        elif passing:
            self._first = passing
            self._client.pause()
            endpoint = Endpoint(self._host.host, _PORT, self._host.address, None, self._parent)
            self._dial = Dial(self._reactor, self._resolver, endpoint, self._connected, self._not_connected)
            self._dial.start()

    def stream_end(self) -> None:
        """A client that ends before its hello wants nothing."""
        self.cut("client-gone")

    def stream_lost(self, _cause: OSError) -> None:
        """The client is gone."""
        self.cut("client-gone")

    def _not_connected(self, refusal: Refusal) -> None:
        self.cut(refusal.rule, refusal.detail)

    def _connected(self, server: Stream) -> None:
        self._server = server
        self._address = server.peer
        server.owner = _Server(self)
        self._send(self._first)
        server.resume()

    def server_data(self, data: bytes) -> None:
        """Pass on the server's first answer, and see whether it asks for another hello."""
        self._client.write(data)
        self._sent[1] += len(data)
        try:
            passing = self._opening.server(data)
        except Refusal as refusal:
            self.cut(refusal.rule, refusal.detail)
            return
        self._go_on(passing)

    def _go_on(self, passing: bytes) -> None:
        """Send what may pass; splice when everything may."""
        self._send(passing)
        if self._opening.settled:
            self._splice_now()
        elif self._opening.wants_client:
            self._client.resume()

    def _send(self, data: bytes) -> None:
        assert self._server is not None
        self._server.write(data)
        self._sent[0] += len(data)

    def _splice_now(self) -> None:
        assert self._server is not None
        self._timer.cancel()
        self._timer = self._reactor.call_later(limits.TUNNEL_LIFE_SECONDS, lambda: self.cut("tunnel-life"))
        client_socket, down = self._client.detach()
        server_socket, up = self._server.detach()
        self._sent = [self._sent[0] - len(up), self._sent[1] - len(down)]
        self._splice = Splice(self._reactor, client_socket, server_socket, self.cut)
        self._splice.start(to_server=up, to_client=down)


class _Server:
    """Owner of the server's stream until both sides are spliced."""

    def __init__(self, tunnel: ClientTunnel) -> None:
        self._tunnel = tunnel

    def stream_ready(self) -> None:
        """Established already."""

    def stream_drained(self) -> None:
        """Nobody waits for it."""

    def stream_data(self, data: bytes) -> None:
        """Hand it over."""
        self._tunnel.server_data(data)

    def stream_end(self) -> None:
        """A server that ends before its hello has nothing to say."""
        self._tunnel.cut("tunnel-cut")

    def stream_lost(self, _cause: OSError) -> None:
        """The connection broke."""
        self._tunnel.cut("tunnel-cut")
