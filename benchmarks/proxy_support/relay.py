# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes from a unix socket to a TCP port and back, nothing read, checked or written down: what Python itself costs.

relay.py SOCKET PORT

Good for measuring only: a peer that is slow to read loses bytes.
"""

from __future__ import annotations

import select
import socket
import sys

_READ_BYTES = 65536


def main(path: str, port: int) -> None:
    """Serve until ended."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    pairs: dict[int, tuple[socket.socket, socket.socket]] = {}
    while True:
        for descriptor, _events in epoll.poll():
            if descriptor == listener.fileno():
                client, upstream = listener.accept()[0], socket.create_connection(("127.0.0.1", port))
                upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for ends in ((client, upstream), (upstream, client)):
                    ends[0].setblocking(False)
                    pairs[ends[0].fileno()] = ends
                    epoll.register(ends[0], select.EPOLLIN)
            elif descriptor in pairs:
                source, target = pairs[descriptor]
                try:
                    data = source.recv(_READ_BYTES)
                    if data:
                        target.send(data)
                        continue
                except OSError:
                    pass
                for end in (source, target):
                    del pairs[end.fileno()]
                    end.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
