# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels on the wire: TLS from end to end through the real service, and nothing upstream for anything else."""

from __future__ import annotations

import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proxy_stand import http_answer, read_all

HOST = "git.eu-central-1.api.test"
CONNECT = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode()
ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def door(proxy: Any, recorder: Any) -> Any:
    """The service with one host for tunnels, which is the recorder."""
    proxy.configure(tunnels=[{"host": HOST, "address": f"127.0.0.1:{recorder.port}"}])
    assert proxy.reload() == {"ok": True}
    return proxy


def opened(door: Any) -> socket.socket:
    """Open a tunnel."""
    sock: socket.socket = door.connect()
    sock.sendall(CONNECT)
    assert sock.recv(len(ESTABLISHED)) == ESTABLISHED
    return sock


def shaken(sock: socket.socket, certificates: Any, name: str = HOST) -> ssl.SSLSocket:
    """Speak TLS through it."""
    context = ssl.create_default_context(cafile=certificates.ca)
    return context.wrap_socket(sock, server_hostname=name)


def ended(door: Any) -> dict[str, Any]:
    """Return the last end line, once it is there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ends = [record for record in door.audit() if record["event"] == "end"]
        if ends:
            last: dict[str, Any] = ends[-1]
            return last
        time.sleep(0.02)
    raise AssertionError(door.audit()[-1])


@pytest.mark.parametrize("size", [2, 300_000, 5_000_000])
def test_tls_from_end_to_end(door: Any, recorder: Any, certificates: Any, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    recorder.answer = lambda sock, _request: sock.sendall(http_answer(b"200 OK", body)) is None and False
    with shaken(opened(door), certificates) as sock:
        sock.sendall(GET)
        assert read_all(sock).endswith(body)
    assert recorder.received == GET, "nothing is added inside a tunnel"
    end = ended(door)
    assert (end["verdict"], end["upstream"]) == ("served", "127.0.0.1")
    assert end["bytes_out"] > size


def test_hello_together_with_connect_and_in_single_bytes(door: Any, certificates: Any) -> None:
    out, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = ssl.create_default_context(cafile=certificates.ca).wrap_bio(incoming, out, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        inner.do_handshake()
    hello = out.read()
    with door.connect() as sock:
        sock.sendall(CONNECT + hello)
        assert sock.recv(len(ESTABLISHED)) == ESTABLISHED
        assert sock.recv(3)[0] == 22, "the server's hello"
    with opened(door) as sock:
        for at in range(0, len(hello), 40):
            sock.sendall(hello[at : at + 40])
            time.sleep(0.002)
        assert sock.recv(3)[0] == 22


@pytest.mark.parametrize("first", [b"SSH-2.0-x\r\n", GET, bytes(100), b"\x16\x03\x01\x00\x04\x02\0\0\0"])
def test_only_tls(door: Any, recorder: Any, first: bytes) -> None:
    with opened(door) as sock:
        sock.sendall(first)
        assert read_all(sock) == b""
    assert ended(door)["rule"] == "tunnel-not-tls"
    assert recorder.connections == []


def test_another_name_inside(door: Any, recorder: Any, certificates: Any) -> None:
    with opened(door) as sock, pytest.raises(OSError, match=r"."):
        shaken(sock, certificates, "api.test")
    assert ended(door)["rule"] == "tunnel-name"
    assert recorder.connections == []


def hellos(certificates: Any) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A client whose bytes this test carries, with its first hello written."""
    out, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = ssl.create_default_context(cafile=certificates.ca).wrap_bio(incoming, out, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        inner.do_handshake()
    return inner, incoming, out


@pytest.mark.parametrize("size", [2, 300_000])
def test_a_server_may_ask_for_another_hello(door: Any, recorder: Any, certificates: Any, size: int) -> None:
    recorder.context.set_ecdh_curve("secp384r1")
    body = bytes(size)
    recorder.answer = lambda sock, _request: sock.sendall(http_answer(b"200 OK", body)) is None and False
    with shaken(opened(door), certificates) as sock:
        sock.sendall(GET)
        assert read_all(sock).endswith(body)
    end = ended(door)
    assert end["verdict"] == "served"
    assert end["bytes_out"] > size and end["bytes_in"] > len(GET)


def test_another_name_in_the_second_hello(door: Any, recorder: Any, certificates: Any) -> None:
    recorder.context.set_ecdh_curve("secp384r1")
    names: list[str | None] = []
    recorder.context.sni_callback = lambda _sock, name, _context: names.append(name)
    inner, incoming, out = hellos(certificates)
    with opened(door) as sock:
        sock.sendall(out.read())
        incoming.write(sock.recv(65536))
        with pytest.raises(ssl.SSLWantReadError):
            inner.do_handshake()
        second = out.read()
        assert second.count(HOST.encode()) == 1, "the server asked for it"
        sock.sendall(second.replace(HOST.encode(), b"x" * len(HOST)))
        assert read_all(sock) == b""
    assert ended(door)["rule"] == "tunnel-name"
    assert set(names) <= {HOST}


def test_what_follows_the_hello_waits_for_the_answer(door: Any, recorder: Any, certificates: Any) -> None:
    """Or else a second hello with another name could be sent before it was asked for."""
    recorder.context.set_ecdh_curve("secp384r1")
    _inner, _incoming, out = hellos(certificates)
    hello = out.read()
    with opened(door) as sock:
        sock.sendall(hello + b"\x14\x03\x03\x00\x01\x01" + hello.replace(HOST.encode(), b"x" * len(HOST)))
        assert read_all(sock)[:1] == b"\x16", "the server asks again, and is never answered"
    assert ended(door)["rule"] == "tunnel-name"


def test_no_second_message_in_the_record_of_the_hello(door: Any, recorder: Any, certificates: Any) -> None:
    _inner, _incoming, out = hellos(certificates)
    message = out.read()[5:] * 2
    with opened(door) as sock:
        sock.sendall(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)
        assert read_all(sock) == b""
    assert ended(door)["rule"] == "tunnel-hello"
    assert recorder.connections == []


def test_revoking_cuts_a_live_tunnel(door: Any, certificates: Any) -> None:
    with shaken(opened(door), certificates) as sock:
        sock.sendall(GET)
        assert sock.recv(10)
        door.configure(tunnels=[])
        assert door.reload() == {"ok": True}
        with pytest.raises(OSError, match=r"."):
            while True:
                sock.sendall(GET)
                time.sleep(0.02)
    assert ended(door)["rule"] == "tunnel-revoked"
    assert b"403" in door.exchange(CONNECT)[:20]


def test_a_stricter_policy_cuts_a_live_tunnel(door: Any, certificates: Any) -> None:
    with shaken(opened(door), certificates) as sock:
        sock.sendall(GET)
        assert sock.recv(10)
        assert door.control(op="open", conversation="demo", policy={"routes": ["anthropic"]})["ok"]
        with pytest.raises(OSError, match=r"."):
            while True:
                sock.sendall(GET)
                time.sleep(0.02)
    assert ended(door)["rule"] == "tunnel-revoked"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_stop_with_open_tunnels(door: Any, certificates: Any, number: int) -> None:
    with shaken(opened(door), certificates) as sock:
        sock.sendall(GET)
        assert sock.recv(10)
        door.control(op="revoke", conversation="demo")
        door.stop(number)
    door.start()


def test_abort_storm(door: Any, recorder: Any) -> None:
    for turn in range(200):
        with door.connect() as sock:
            sock.sendall(CONNECT[: turn % len(CONNECT)] if turn % 2 else CONNECT + b"\x16\x03\x01\x02\x00\x01")
    deadline = time.monotonic() + 10
    while len(list(Path(f"/proc/{door.process.pid}/fd").iterdir())) > 40 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(list(Path(f"/proc/{door.process.pid}/fd").iterdir())) <= 40
    assert recorder.connections == []


def test_no_tunnel_to_a_host_that_gets_a_credential(make_proxy: Callable[..., Any], recorder: Any) -> None:
    proxy = make_proxy(recorder.port)
    proxy.configure(tunnels=[{"host": "api.test"}])
    with pytest.raises(AssertionError, match="a tunnel to it would let a container use its own"):
        proxy.start()
