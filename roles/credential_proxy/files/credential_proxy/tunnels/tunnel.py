# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One tunnel: the client's hello is read and compared, the vetted address is dialled, then bytes flow both ways."""

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
from .client_hello import server_name
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
        self._hello = bytearray()
        self._dial: Dial | None = None
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
        counts = (0, 0)
        if self._splice is not None:
            counts = self._splice.close()
        self._client.flush()
        self._client.close()
        self._ended(Outcome(rule, detail, *counts, self._address))

    def stream_ready(self) -> None:
        """An accepted stream is ready from the start."""

    def stream_drained(self) -> None:
        """The answer to CONNECT has left."""

    def stream_data(self, data: bytes) -> None:
        """Read the hello; once it is complete and good, dial."""
        self._hello += data
        try:
            name = server_name(self._hello)
            if name is None:
                return
            if name != self._host.host:
                raise Refusal("tunnel-name", detail=name[:120])
        except Refusal as refusal:
            self.cut(refusal.rule, refusal.detail)
            return
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
        self._timer.cancel()
        self._timer = self._reactor.call_later(limits.TUNNEL_LIFE_SECONDS, lambda: self.cut("tunnel-life"))
        self._address = server.peer
        client_socket, answer = self._client.detach()
        server_socket, _nothing = server.detach()
        self._splice = Splice(self._reactor, client_socket, server_socket, self._spliced)
        self._splice.start(to_server=bytes(self._hello), to_client=answer)

    def _spliced(self, rule: str) -> None:
        self.cut(rule)
