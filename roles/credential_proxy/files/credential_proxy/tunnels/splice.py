# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves bytes between two sockets: by hand at first, through a kernel pipe once a direction has proved to be bulk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
from collections.abc import Callable
from typing import Final

from .. import limits
from ..reactor import Reactor

_COPY_BYTES: Final = 64 * 1024
_BULK_AFTER: Final = 256 * 1024
_PIPE_BYTES: Final = 64 * 1024
_MOVES_PER_EVENT: Final = 16
_TICK_SECONDS: Final = 15.0


class Splice:
    """Both directions of one tunnel; a side that ends its output is passed on as such."""

    def __init__(
        self, reactor: Reactor, client: socket.socket, server: socket.socket, ended: Callable[[str], None]
    ) -> None:
        """Take over two non-blocking sockets that no reactor watches; ``ended`` gets the rule, or nothing."""
        self._reactor = reactor
        self._ended = ended
        self._up = _Direction(client, server, bulk=False)
        self._down = _Direction(server, client, bulk=True)
        self._sockets = (client, server)
        self._masks = {client.fileno(): -1, server.fileno(): -1}
        self._closed = False
        self._moved = 0
        self._quiet_since = reactor.now
        self._timer = reactor.call_later(_TICK_SECONDS, self._tick)

    def start(self, *, to_server: bytes, to_client: bytes) -> None:
        """Send what has been read already, then move bytes."""
        self._up.left, self._down.left = bytearray(to_server), bytearray(to_client)
        self._run()

    def close(self) -> tuple[int, int]:
        """Close both sockets; return how many bytes went up and down."""
        if not self._closed:
            self._closed = True
            self._timer.cancel()
            for sock in self._sockets:
                if self._masks[sock.fileno()] > 0:
                    self._reactor.unregister(sock.fileno())
                self._reactor.close_later(sock.close)
            self._up.close()
            self._down.close()
        return self._up.moved, self._down.moved

    def _on_events(self, _mask: int) -> None:
        if not self._closed:
            self._run()

    def _run(self) -> None:
        """Move what can be moved, and watch for what cannot."""
        try:
            self._up.move()
            self._down.move()
        except OSError:
            self._end("tunnel-cut")
            return
        if self._up.ended and self._down.ended:
            self._end("")
            return
        for sock, incoming, outgoing in (
            (self._sockets[0], self._up, self._down),
            (self._sockets[1], self._down, self._up),
        ):
            self._watch(sock, incoming.wants_input * select.EPOLLIN | outgoing.wants_output * select.EPOLLOUT)

    def _watch(self, sock: socket.socket, mask: int) -> None:
        """Change what epoll reports; a socket of which nothing is wanted is not watched, for its hang-up would spin."""
        number, old = sock.fileno(), self._masks[sock.fileno()]
        if mask == old:
            return
        if mask and old > 0:
            self._reactor.modify(number, mask)
        elif mask:
            self._reactor.register(number, mask, self._on_events)
        elif old > 0:
            self._reactor.unregister(number)
        self._masks[number] = mask

    def _tick(self) -> None:
        moved = self._up.moved + self._down.moved
        if moved != self._moved:
            self._moved, self._quiet_since = moved, self._reactor.now
        elif self._reactor.now - self._quiet_since >= limits.TUNNEL_IDLE_SECONDS:
            self._end("tunnel-idle")
            return
        self._timer = self._reactor.call_later(_TICK_SECONDS, self._tick)

    def _end(self, rule: str) -> None:
        self.close()
        self._ended(rule)


class _Direction:
    """From one socket to the other."""

    def __init__(self, source: socket.socket, sink: socket.socket, *, bulk: bool) -> None:
        self._source = source
        self._sink = sink
        self._bulk = bulk
        self._pipe: tuple[int, int] | None = None
        self._in_pipe = 0
        self._source_ended = False
        self.left = bytearray()
        self.moved = 0
        self.ended = False

    @property
    def wants_input(self) -> bool:
        """Tell whether there is room for more."""
        return not self._source_ended and not self.wants_output

    @property
    def wants_output(self) -> bool:
        """Tell whether bytes wait for the sink."""
        return bool(self.left or self._in_pipe)

    def move(self) -> None:
        """Move until one of the sockets would block, or the others must have their turn."""
        with contextlib.suppress(BlockingIOError):
            for _turn in range(_MOVES_PER_EVENT):
                if not self._drain() or self._source_ended:
                    break
                self._fill()
        if self._source_ended and not self.wants_output and not self.ended:
            self.ended = True
            with contextlib.suppress(OSError):  # A sink that is gone needs no telling.
                self._sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Give the pipe back."""
        if self._pipe is not None:
            for descriptor in self._pipe:
                os.close(descriptor)
            self._pipe = None

    def _drain(self) -> bool:
        """Send what waits; True when nothing is left."""
        if self.left:
            sent = self._sink.send(self.left)
            self.moved += sent
            del self.left[:sent]
        if self._in_pipe and self._pipe is not None:
            sent = os.splice(self._pipe[0], self._sink.fileno(), self._in_pipe, flags=os.SPLICE_F_NONBLOCK)
            self.moved += sent
            self._in_pipe -= sent
        return not self.wants_output

    def _fill(self) -> None:
        """Take more from the source."""
        if self._bulk and self._pipe is None and self.moved >= _BULK_AFTER:
            self._open_pipe()
        if self._pipe is not None:
            count = os.splice(self._source.fileno(), self._pipe[1], _PIPE_BYTES, flags=os.SPLICE_F_NONBLOCK)
            self._in_pipe += count
            self._source_ended = count == 0
        else:
            data = self._source.recv(_COPY_BYTES)
            self.left += data
            self._source_ended = not data

    def _open_pipe(self) -> None:
        """Use a pipe; without descriptors or pipe memory for it, copying goes on."""
        try:
            self._pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.fcntl(self._pipe[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            self._bulk = self._pipe is not None
