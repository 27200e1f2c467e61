# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upstreams behind a proxy of the network: it is asked for a tunnel, and TLS to the real upstream goes through it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from proxy_stand import Relay, join

PLAIN = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


class Parent(Relay):
    """A proxy that understands CONNECT and leads every tunnel to one port."""

    def __init__(self, port: int) -> None:
        self._leads_to = port
        self.asked: list[bytes] = []
        self.reply = b"HTTP/1.1 200 OK\r\n\r\n"
        super().__init__()
        self.address = f"127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        """Answer as told, and open the tunnel if that was a yes."""
        self.asked.append(client.recv(65536))
        client.sendall(self.reply)
        if self.reply.startswith(b"HTTP/1.1 200"):
            with socket.create_connection(("127.0.0.1", self._leads_to)) as server:
                join(client, server)


@pytest.fixture
def parent(recorder: Any) -> Iterator[Parent]:
    """Run the network's proxy in front of the recorder."""
    server = Parent(recorder.port)
    yield server
    server.close()


@pytest.fixture
def proxy_behind(make_proxy: Callable[..., Any], recorder: Any, parent: Parent) -> Any:
    """Our proxy, whose route has no address of its own."""
    proxy = make_proxy(recorder.port, address=None)
    proxy.configure(parent_proxy=parent.address, tunnels=[{"host": "git.test"}])
    proxy.start()
    return proxy


def test_through_the_parent(proxy_behind: Any, parent: Parent, recorder: Any, real_key: str) -> None:
    for _turn in range(2):
        assert proxy_behind.exchange(PLAIN).startswith(b"HTTP/1.1 200")
    assert parent.asked == [b"CONNECT api.test:443 HTTP/1.1\r\nhost: api.test:443\r\n\r\n"], "one tunnel, used again"
    assert recorder.received.count(real_key.encode()) == 2


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 407 Who\r\n\r\n", b"nonsense\r\n\r\n", b"x\n\n", b""]
)
def test_parent_that_refuses(proxy_behind: Any, parent: Parent, recorder: Any, reply: bytes) -> None:
    parent.reply = reply
    answer = proxy_behind.exchange(PLAIN)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"rule upstream-connect" in answer
    assert recorder.connections == []


def test_tunnel_through_the_parent(proxy_behind: Any, parent: Parent) -> None:
    hello = (
        bytes.fromhex("1603010044010000400303")
        + bytes(32)
        + bytes.fromhex("0000021301010000150000000d000b0000086769742e746573740017" + "0000")
    )
    with proxy_behind.connect() as sock:
        sock.sendall(b"CONNECT git.test:443 HTTP/1.1\r\nHost: git.test:443\r\n\r\n" + hello)
        data = b""
        while len(data) < 60 and (piece := sock.recv(65536)):
            data += piece
    assert data.startswith(b"HTTP/1.1 200 Connection Established\r\n\r\n\x15"), "the server's TLS alert came back"
    assert parent.asked[0].startswith(b"CONNECT git.test:443 ")
