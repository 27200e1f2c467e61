# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers for special loads, run as programs: ``silent`` keeps streams open, ``blast`` sends without an end.

    servers.py silent CERT KEY      servers.py blast

Each prints its port and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PING = b"event: ping\ndata: {}\n\n"
_PIECE = bytes(1 << 20)


async def _silent(cert: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_HEAD + b"%x\r\n%b\r\n" % (len(_PING), _PING))
        await asyncio.sleep(3600)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _blast() -> None:
    def serve(sock: socket.socket) -> None:
        with sock:
            sock.recv(65536)
            try:
                while True:
                    sock.sendall(_PIECE)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "silent":
        asyncio.run(_silent(sys.argv[2], sys.argv[3]))
    else:
        _blast()
