# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port on the host's loopback for a machine whose network is a namespace of its own.

The listening socket is made in the host's namespace and inherited; the outgoing connections are made where this process
is, in the machine's namespace.
"""

from __future__ import annotations

import socket
import threading

_CHUNK = 1 << 16


def serve(listener: socket.socket, target: tuple[str, int]) -> None:
    """Relay every connection of ``listener`` to ``target``, in daemon threads, until it or the process ends."""
    threading.Thread(target=_accept, args=(listener, target), daemon=True).start()


def _accept(listener: socket.socket, target: tuple[str, int]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_connect, args=(client, target), daemon=True).start()


def _connect(client: socket.socket, target: tuple[str, int]) -> None:
    try:
        server = socket.create_connection(target, timeout=5)
    except OSError:
        client.close()  # the machine is booting or has ended: the caller sees a closed connection and tries again
        return
    server.settimeout(None)
    back = threading.Thread(target=_copy, args=(server, client), daemon=True)
    back.start()
    _copy(client, server)
    back.join()
    client.close()
    server.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(_CHUNK):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # Reset by one side: both directions end.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
