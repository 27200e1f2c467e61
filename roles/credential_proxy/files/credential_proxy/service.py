# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: puts the parts together, obeys the control socket and the signals, lets running requests finish."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping

from . import __version__, limits
from .audit import AuditLog
from .config import Config
from .context import Context
from .control import ControlError, Order, failure, parse, success
from .conversations import Conversations, Listener, listen, peer_of
from .reactor import Reactor
from .resolver import Resolver
from .secret import Secret
from .stream import Stream
from .upstream import Upstream, tls_context


class Service:
    """Runs until SIGTERM or SIGINT; SIGHUP reopens the audit log."""

    def __init__(self, config: Config, secrets: Mapping[str, Secret]) -> None:
        """Open the log and prepare the upstreams; nothing is served before ``start``."""
        self.reactor = Reactor()
        self._resolver = Resolver(self.reactor)
        self._config = config
        self._context = Context(
            reactor=self.reactor,
            audit=AuditLog(config.audit_log),
            routes=config.routes,
            secrets=secrets,
            upstreams={
                route.name: Upstream(self.reactor, self._resolver, route, tls_context(route)) for route in config.routes
            },
        )
        self.conversations = Conversations(self._context, config.conversations_directory)
        self._control: Listener | None = None

    def start(self) -> None:
        """Bind the sockets of all conversations, then the control socket, then say that we are ready."""
        self.conversations.restore()
        path = self._config.control_socket
        sock = listen(path, path.with_name(path.name + ".new"), 0o600)
        self._control = Listener(self._context, sock, self._accept_control)
        self.reactor.on_signal(signal.SIGTERM, self.stop)
        self.reactor.on_signal(signal.SIGINT, self.stop)
        self.reactor.on_signal(signal.SIGHUP, self._context.audit.reopen)
        _notify_systemd("READY=1")

    def run(self) -> None:
        """Serve until stopped, then leave everything in order."""
        self.reactor.run()
        for connection in self.conversations.connections:
            connection.cut("closing")
        for upstream in self._context.upstreams.values():
            upstream.close()
        self._resolver.close()
        self._context.audit.close()
        self._config.control_socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """Take no more requests, let the running ones end for a while, then stop."""
        if self._context.stopping:
            self.reactor.stop()
            return
        _notify_systemd("STOPPING=1")
        self._context.stopping = True
        self.conversations.stop_listening()
        if self._control is not None:
            self._control.close()
        self._drain(self.reactor.now + limits.DRAIN_SECONDS)

    def obey(self, order: Order) -> bytes:
        """Carry out one order of the control socket."""
        name = order.conversation
        try:
            if order.operation == "open":
                changed = self.conversations.open(name)
                return success(changed=changed, socket=str(self.conversations.socket_path(name)))
            if order.operation == "close":
                return success(changed=self.conversations.close(name))
        except OSError as error:
            raise ControlError(f"cannot {order.operation} conversation {name}: {error}") from error
        if order.operation == "list":
            return success(conversations=self.conversations.names)
        routes = [route.name for route in self._config.routes]
        return success(version=__version__, routes=routes, audit=self._context.audit.healthy)

    def _drain(self, until: float) -> None:
        """Close idle connections, look again a little later, give up at the time given."""
        for connection in self.conversations.connections:
            connection.stop_when_idle()
        if not self.conversations.connections or self.reactor.now >= until:
            self.reactor.stop()
        else:
            self.reactor.call_later(0.05, lambda: self._drain(until))

    def _accept_control(self, sock: socket.socket) -> None:
        _ControlConnection(self, sock, allowed=peer_of(sock).uid == 0)


class _ControlConnection:
    """One order on the control socket: a line in, a line out."""

    def __init__(self, service: Service, sock: socket.socket, *, allowed: bool) -> None:
        self._service = service
        self._allowed = allowed
        self._line = bytearray()
        self._replied = False
        self._stream = Stream(service.reactor, sock, self, dropped_on_hangup=True)
        self._timer = service.reactor.call_later(limits.CONTROL_SECONDS, self._close)
        self._stream.resume()

    def stream_ready(self) -> None:
        """An accepted stream is ready from the start."""

    def stream_data(self, data: bytes) -> None:
        """Collect the line and obey it."""
        if self._replied:
            return
        self._line += data
        line, feed, _rest = self._line.partition(b"\n")
        if not feed:
            if len(line) > limits.CONTROL_LINE_BYTES:
                self._reply(failure("cannot read the order: the line is too long"))
            return
        try:
            if not self._allowed:
                raise ControlError("cannot obey: only root may use the control socket; run this as root")
            self._reply(self._service.obey(parse(bytes(line))))
        except ControlError as error:
            self._reply(failure(str(error)))

    def stream_end(self) -> None:
        """Close, unless the reply is still on its way."""
        if not self._replied:
            self._close()

    def stream_lost(self, _cause: OSError) -> None:
        """The caller is gone."""
        self._close()

    def stream_drained(self) -> None:
        """The reply has left."""
        if self._replied:
            self._close()

    def _reply(self, line: bytes) -> None:
        self._replied = True
        self._stream.write(line)

    def _close(self) -> None:
        self._timer.cancel()
        self._stream.close()


def _notify_systemd(state: str) -> None:
    """Tell systemd, when it asked to be told (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode("ascii"), address)
