# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory and one listening socket per conversation: the socket a connection came in on is its identity.

The directories outlive the service, because containers have them mounted; at start every one gets its socket back, by a
rename, so that a container never meets a missing file.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import limits
from .connection import Connection
from .context import Context, Peer
from .control import is_conversation

SOCKET_NAME: Final = "proxy.sock"
_FRESH_NAME: Final = ".new.sock"
_CREDENTIALS: Final = struct.Struct("3i")


def peer_of(sock: socket.socket) -> Peer:
    """Ask the kernel who is at the other end."""
    pid, uid, _gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid=pid, uid=uid)


def listen(path: Path, fresh: Path, mode: int) -> socket.socket:
    """Bind a listening socket and move it into place when it is ready."""
    fresh.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind(str(fresh))
        fresh.chmod(mode)
        sock.listen(limits.LISTEN_BACKLOG)
        fresh.rename(path)
    except OSError:
        sock.close()
        raise
    return sock


class Listener:
    """Accepts connections; takes a pause when there are too many of them, or no descriptors."""

    def __init__(self, context: Context, sock: socket.socket, accepted: Callable[[socket.socket], None]) -> None:
        """Accept from the next round on."""
        self._context = context
        self._socket = sock
        self._accepted = accepted
        self._watched = False
        self.resume()

    def resume(self) -> None:
        """Accept again."""
        if not self._watched and self._socket.fileno() >= 0:
            self._watched = True
            self._context.reactor.register(self._socket.fileno(), select.EPOLLIN, self._on_events)

    def pause(self) -> None:
        """Leave new connections in the kernel's queue."""
        if self._watched:
            self._watched = False
            self._context.reactor.unregister(self._socket.fileno())

    def close(self) -> None:
        """Accept no more."""
        self.pause()
        self._context.reactor.close_later(self._socket.close)

    def _on_events(self, _mask: int) -> None:
        for _turn in range(limits.ACCEPTS_PER_EVENT):
            if not self._watched:
                return
            try:
                sock, _address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                print(f"cannot accept connections: {error}; pausing for a second", file=sys.stderr)
                self.pause()
                self._context.reactor.call_later(limits.ACCEPT_PAUSE_SECONDS, self.resume)
                return
            sock.setblocking(False)
            self._accepted(sock)


class _Door:
    """One conversation's socket and the connections that came in on it."""

    def __init__(self, context: Context, name: str, directory: Path) -> None:
        self._context = context
        self._name = name
        self.closed = False
        self._waits = False
        self.last = 0.0
        self.connections: set[Connection] = set()
        sock = listen(directory / SOCKET_NAME, directory / _FRESH_NAME, 0o666)
        self.listener = Listener(context, sock, self._enter)

    def _enter(self, sock: socket.socket) -> None:
        self.last = time.time()
        self.connections.add(Connection(self._context, self._name, sock, peer_of(sock), self._leave))
        if self._full:
            self.listener.pause()
        self._slow_down()

    @property
    def _full(self) -> bool:
        return len(self.connections) >= limits.CONNECTIONS_PER_CONVERSATION

    def _slow_down(self) -> None:
        """Let nobody else in while the conversation has caused too many lines for nothing."""
        reactor = self._context.reactor
        wait = self._context.flood.wait(self._name, reactor.now)
        self._waits = wait > 0
        if self._waits:
            self.listener.pause()
            reactor.call_later(wait, self._go_on)

    def _go_on(self) -> None:
        self._slow_down()
        self._let_in()

    def _leave(self, connection: Connection) -> None:
        self.last = time.time()
        self.connections.discard(connection)
        self._let_in()

    def _let_in(self) -> None:
        if not (self._full or self._waits or self.closed or self._context.stopping):
            self.listener.resume()


class Conversations:
    """All conversations of this host."""

    def __init__(self, context: Context, directory: Path) -> None:
        """Open no socket before ``restore``."""
        self._context = context
        self._directory = directory
        self._doors: dict[str, _Door] = {}

    @property
    def names(self) -> list[str]:
        """Return the names of the open conversations."""
        return sorted(self._doors)

    @property
    def last_requests(self) -> dict[str, float]:
        """Return the Unix time of each conversation's last connection, for those that had one since the start."""
        return {name: round(door.last, 3) for name, door in self._doors.items() if door.last}

    @property
    def connections(self) -> list[Connection]:
        """Return the connections of all conversations."""
        return [connection for door in self._doors.values() for connection in door.connections]

    def restore(self) -> None:
        """Bind the socket of every conversation that has a directory; anything else in there is left alone."""
        self._directory.mkdir(parents=True, exist_ok=True)
        # Whatever the umask says: a container runtime in a user namespace walks through here.
        self._directory.chmod(0o711)
        for entry in sorted(self._directory.iterdir()):
            if is_conversation(entry.name) and entry.is_dir() and not entry.is_symlink():
                self._doors[entry.name] = _Door(self._context, entry.name, entry)
            else:
                print(f"not a conversation's directory, left alone: {entry}", file=sys.stderr)

    def socket_path(self, name: str) -> Path:
        """Return where a conversation's socket is."""
        return self._directory / name / SOCKET_NAME

    def open(self, name: str) -> bool:
        """Open a conversation; False when it was open."""
        if name in self._doors and self.socket_path(name).is_socket():
            return False
        self._shut(name, "conversation-reopened")
        directory = self._directory / name
        directory.mkdir(mode=0o711, exist_ok=True)
        directory.chmod(0o711)
        self._doors[name] = _Door(self._context, name, directory)
        return True

    def close(self, name: str) -> bool:
        """Close a conversation, cut its connections and remove its directory; False when there was none."""
        known = self._shut(name, "conversation-closed")
        directory = self._directory / name
        if not directory.is_dir():
            return known
        for left_over in (SOCKET_NAME, _FRESH_NAME):
            (directory / left_over).unlink(missing_ok=True)
        directory.rmdir()
        return True

    def cut_tunnels(self, allowed: Callable[[str, str], bool]) -> None:
        """Cut every tunnel to a host that a conversation may no longer reach."""
        for name, door in self._doors.items():
            for connection in list(door.connections):
                if connection.tunnel_host and not allowed(name, connection.tunnel_host):
                    connection.cut("tunnel-revoked")

    def cut(self, name: str, rule: str) -> int:
        """Cut whatever a conversation has open, and leave its door open; return how many connections that were."""
        door = self._doors.get(name)
        connections = list(door.connections) if door is not None else []
        for connection in connections:
            connection.cut(rule)
        return len(connections)

    def stop_listening(self) -> None:
        """Accept no more; the sockets' files stay for the next start."""
        for door in self._doors.values():
            door.listener.close()

    def _shut(self, name: str, rule: str) -> bool:
        door = self._doors.pop(name, None)
        if door is None:
            return False
        door.closed = True
        door.listener.close()
        for connection in list(door.connections):
            connection.cut(rule)
        return True
