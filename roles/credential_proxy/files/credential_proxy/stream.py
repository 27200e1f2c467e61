# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One non-blocking connection, plain or TLS, inside the reactor: bytes in, bytes out, an end, never a blocked loop."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from typing import Final, Protocol

from .limits import READ_BYTES, SEND_BYTES
from .reactor import Reactor

_INPUT: Final = select.EPOLLIN
_DEAD: Final = select.EPOLLHUP | select.EPOLLERR


class StreamOwner(Protocol):
    """Whoever is told what happens on a stream."""

    def stream_ready(self) -> None:
        """Say that an outgoing connection is established."""

    def stream_data(self, data: bytes, /) -> None:
        """Hand over bytes that arrived."""

    def stream_end(self) -> None:
        """Say that the other side sends no more."""

    def stream_lost(self, cause: OSError, /) -> None:
        """Say that the connection is gone; it is closed already."""

    def stream_drained(self) -> None:
        """Say that everything written has left."""


class Stream:
    """A connected socket, or one that is being connected.

    What is written leaves at the end of the reactor's round. ``dropped_on_hangup``: a client that hung up wants no
    answer, so its stream is lost at once, even unread.
    """

    __slots__ = (
        *("owner", "peer", "closed", "encrypted", "_reactor", "_socket", "_out", "_mask", "_watched", "_silent"),
        *(
            "_poll",
            "_reading",
            "_blocked",
            "_ended",
            "_connecting",
            "_handshaking",
            "_tls_wants_write",
            "_dropped_on_hangup",
        ),
    )

    def __init__(
        self, reactor: Reactor, sock: socket.socket, owner: StreamOwner, *, dropped_on_hangup: bool = False
    ) -> None:
        """Take over a connected, non-blocking socket; nothing is read before ``resume``."""
        self.owner = owner
        self.peer = ""
        self.closed = False
        self.encrypted = False
        self._reactor = reactor
        self._socket = sock
        self._dropped_on_hangup = dropped_on_hangup
        self._out = bytearray()
        self._reading = False
        self._blocked = False
        self._ended = False
        self._connecting = False
        self._handshaking = False
        self._tls_wants_write = False
        self._silent = False
        self._mask = 0
        self._watched = False
        self._poll: select.poll | None = None

    @classmethod
    def connect(cls, reactor: Reactor, address: tuple[str, int], owner: StreamOwner) -> Stream:
        """Begin to connect; the owner hears ``stream_ready``."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        raw = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = raw.connect_ex(address)
        if error and error != errno.EINPROGRESS:
            raw.close()
            raise OSError(error, os.strerror(error))
        stream = cls(reactor, raw, owner)
        stream.peer = address[0]
        stream._connecting = True
        stream._watch()
        return stream

    def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Shake hands with the server that has this name in its certificate; the owner hears ``stream_ready`` again."""
        self._unwatch()
        try:
            self._socket = context.wrap_socket(
                self._socket, server_hostname=name, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
        except OSError as lost:
            self._lose(lost)
            return
        self.encrypted = True
        self._handshaking = True
        self._shake_hands()

    def detach(self) -> tuple[socket.socket, bytes]:
        """Give the socket away, with what was written and has not left yet; the owner hears no more."""
        self._silent = self.closed = True
        self._unwatch()
        return self._socket, bytes(self._out)

    @property
    def buffered(self) -> int:
        """Tell how many written bytes have not left yet."""
        return len(self._out)

    def resume(self) -> None:
        """Read again."""
        if self._reading or self.closed:
            return
        self._reading = True
        self._watch()

    def pause(self) -> None:
        """Read no more; the peer is slowed down by its full buffers."""
        if self._reading:
            self._reading = False
            self._watch()

    def write(self, data: bytes | bytearray) -> None:
        """Send at the end of this round; when everything has left, the owner hears ``stream_drained``."""
        if self.closed or not data:
            return
        if not self._out:
            self._reactor.flush_later(self.flush)
        self._out += data

    def flush(self) -> None:
        """Send now what fits.

        TLS must get what it could not send once more, and never less of it: pieces are cut from the front of a buffer
        that only grows meanwhile.
        """
        out = self._out
        if self.closed or not out:
            return
        try:
            while len(out) > SEND_BYTES:
                with memoryview(out) as view, view[:SEND_BYTES] as piece:
                    sent = self._socket.send(piece)
                del out[:sent]
            while out:
                del out[: self._socket.send(out)]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            self._blocked = True
            self._watch()
            return
        except OSError as error:
            self._lose(error)
            return
        if self._blocked:
            self._blocked = self._tls_wants_write = False
            self._watch()
        self.owner.stream_drained()

    def end_output(self) -> None:
        """Tell the peer that nothing more comes, and keep listening."""
        if self.closed:
            return
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lose(error)

    def close(self) -> None:
        """Close at once; unsent bytes are dropped and the owner hears no more."""
        self._silent = True
        self._close()

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._unwatch()
        self._out.clear()
        self._reactor.close_later(self._socket.close)

    def is_quiet(self) -> bool:
        """Tell whether an idle connection may be used again: open, with nothing unexpected to read."""
        if self.closed:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._socket.fileno(), select.POLLIN | select.POLLRDHUP)
        # Below TLS, which need not be asked: whatever is there now was not asked for.
        return not self._poll.poll(0)

    def _watch(self) -> None:
        """Ask epoll for what matters now; after the end was seen, asking for input would spin."""
        if self.closed:
            return
        mask = 0
        if self._connecting:
            mask = select.EPOLLOUT
        elif self._handshaking:
            mask = select.EPOLLOUT if self._tls_wants_write else select.EPOLLIN
        else:
            if self._reading and not self._ended:
                mask |= select.EPOLLIN
            if self._blocked or self._tls_wants_write:
                mask |= select.EPOLLOUT
        if not self._watched:
            self._reactor.register(self._socket.fileno(), mask, self._on_events)
            self._watched = True
        elif mask != self._mask:
            self._reactor.modify(self._socket.fileno(), mask)
        self._mask = mask

    def _unwatch(self) -> None:
        if self._watched:
            self._reactor.unregister(self._socket.fileno())
            self._watched = False

    def _on_events(self, events: int) -> None:
        if events == _INPUT and self._reading and not self._handshaking:
            self._read()
        elif self._connecting:
            self._connected()
        elif self._handshaking:
            self._shake_hands()
        else:
            self._on_any(events)

    def _on_any(self, events: int) -> None:
        """Deal with what is more than bytes to read on an established stream."""
        if events & (select.EPOLLOUT | _DEAD):
            if self._out:
                self.flush()
            elif self._tls_wants_write:
                self._tls_wants_write = False
                if self._reading and not self._ended:
                    self._read()
        if self.closed:
            return
        if self._reading and not self._ended and events & (select.EPOLLIN | _DEAD):
            self._read()
        if events & _DEAD and not self.closed and (self._ended or not self._reading):
            self._hung_up()

    def _hung_up(self) -> None:
        """Deal with a hang-up on a stream that is not being read: epoll reports it for ever, so stop asking."""
        if self._dropped_on_hangup or self._ended:
            self._lose(ConnectionResetError("the peer hung up"))
        else:
            self._unwatch()

    def _connected(self) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._lose(OSError(error, os.strerror(error)))
            return
        self._connecting = False
        self._watch()
        self.owner.stream_ready()

    def _shake_hands(self) -> None:
        assert isinstance(self._socket, ssl.SSLSocket)
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._tls_wants_write = False
        except ssl.SSLWantWriteError:
            self._tls_wants_write = True
        except OSError as error:
            self._lose(error)
            return
        else:
            self._handshaking = self._tls_wants_write = False
        self._watch()
        if not self._handshaking:
            self.owner.stream_ready()

    def _read(self) -> None:
        """Read what is there.

        Of TLS that is one record: OpenSSL takes no more from the kernel, and the largest is smaller than READ_BYTES, so
        nothing is left where epoll would not see it.
        """
        try:
            data = self._socket.recv(READ_BYTES)
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except ssl.SSLWantWriteError:
            self._tls_wants_write = True
            self._watch()
            return
        except OSError as error:
            self._lose(error)
            return
        if not data:
            self._ended = True
            self._watch()
            self.owner.stream_end()
            return
        self.owner.stream_data(data)

    def _lose(self, cause: OSError) -> None:
        """Close now, tell later: the owner may be in the middle of a write."""
        if not self.closed:
            self._close()
            self._reactor.call_soon(lambda: self._report(cause))

    def _report(self, cause: OSError) -> None:
        if not self._silent:
            self.owner.stream_lost(cause)
