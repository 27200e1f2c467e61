# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections in a reactor of the test's own: patience, limits and the resolver, without waiting for real."""

from __future__ import annotations

import json
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from credential_proxy import context as context_module
from credential_proxy import limits
from credential_proxy.audit import AuditLog
from credential_proxy.connection import Connection
from credential_proxy.context import Context, Peer, Rules
from credential_proxy.metering.ledger import Ledger
from credential_proxy.metrics import Metrics
from credential_proxy.reactor import Reactor
from credential_proxy.refusals import Refusal
from credential_proxy.resolver import Outcome, Resolver
from credential_proxy.secret import Secret
from credential_proxy.settings import Route
from credential_proxy.upstream import Upstream, tls_context

PLAIN = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Bench:
    """A reactor, one connection in it, and the client's end of that connection."""

    def __init__(self, route: Route, audit: Path) -> None:
        self.reactor = Reactor()
        self.resolver = Resolver(self.reactor)
        self.log = audit
        self.audit = AuditLog(audit, audit.parent, owe_commit=self._owe_commit)
        self.context = Context(
            reactor=self.reactor,
            resolver=self.resolver,
            audit=self.audit,
            rules=Rules(
                routes=(route,),
                credentials={route.credential: Secret(b"sk-ant-real-0123456789")},
                upstreams={route.name: Upstream(self.reactor, self.resolver, route, tls_context(route))},
            ),
            ledger=Ledger(()),
            metrics=Metrics(),
        )
        self.gone: list[Connection] = []
        self.client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.connection = Connection(self.context, "demo", server, Peer(1, 2), self.gone.append)

    def _owe_commit(self) -> None:
        self.reactor.flush_first(self.audit.commit)

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Turn the loop until something is so."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            self.reactor.run_once(0.05)

    def answer(self) -> bytes:
        """Read until the proxy ends the connection."""
        data = bytearray()

        def ended() -> bool:
            try:
                piece = self.client.recv(65536)
            except BlockingIOError:
                return False
            data.extend(piece)
            return not piece

        self.run_until(ended)
        return bytes(data)

    def close(self) -> None:
        """Close everything."""
        self.client.close()
        self.run_until(lambda: bool(self.gone))
        self.context.rules.upstreams["r"].close()
        self.reactor.run_once(0)
        self.resolver.close()
        self.audit.close()
        self.reactor.close()


@pytest.fixture
def bench(recorder: Any, certificates: Any, tmp_path: Path) -> Iterator[Bench]:
    """A connection in front of the recorder."""
    address = ("127.0.0.1", recorder.port)
    made = Bench(Route("r", "anthropic", "/", "api.test", 443, "key", address, str(certificates.ca)), tmp_path / "log")
    yield made
    made.close()


def test_bytes_that_come_before_the_next_request_is_read_do_not_begin_two_at_once(bench: Bench, recorder: Any) -> None:
    """The next request waits for the reactor's next round, in which the client's bytes come first."""
    bench.client.sendall(b"HEAD /api/hello HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + PLAIN * 2)
    bench.reactor.run_once(0.05)
    bench.client.sendall(b"\r")
    bench.client.setblocking(False)
    bench.run_until(lambda: recorder.received.count(b"POST") >= 2)
    bench.client.shutdown(socket.SHUT_WR)
    bench.answer()
    lines = [json.loads(line) for line in bench.log.read_bytes().splitlines()]
    allowed = [line["seq"] for line in lines if line.get("verdict") == "allow"]
    assert len(allowed) == 4
    assert [line["request"] for line in lines if line["event"] == "end"] == allowed


def silent(_sock: ssl.SSLSocket, _request: bytes) -> bool:
    """Never answer."""
    return True


def begun(sock: ssl.SSLSocket, _request: bytes) -> bool:
    """Begin an answer and never go on."""
    sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun")
    return True


@pytest.mark.parametrize(
    ("limit", "sent", "upstream", "start"),
    [
        ("HEAD_SECONDS", b"POST /v1/mess", silent, b"HTTP/1.1 408 "),
        ("BODY_IDLE_SECONDS", PLAIN[:-1], silent, b"HTTP/1.1 408 "),
        ("BODY_IDLE_SECONDS", CHUNKED + b"5\r\nab", silent, b"HTTP/1.1 408 "),
        ("STREAM_IDLE_SECONDS", PLAIN, silent, b"HTTP/1.1 504 "),
        ("STREAM_IDLE_SECONDS", PLAIN, begun, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun"),
        ("KEEP_ALIVE_SECONDS", b"", silent, b""),
    ],
)
def test_patience_ends(
    bench: Bench, recorder: Any, monkeypatch: pytest.MonkeyPatch, limit: str, sent: bytes, upstream: Any, start: bytes
) -> None:
    recorder.answer = upstream
    monkeypatch.setattr(limits, limit, 0.2)
    monkeypatch.setattr("credential_proxy.connection._TICK_SECONDS", 0.05)
    bench.connection._tick()
    bench.client.sendall(sent)
    answer = bench.answer()
    assert answer.startswith(start)
    assert bool(answer) == bool(start)


def test_memory_for_bodies_of_unknown_length_is_limited(
    bench: Bench, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "HELD_BYTES_TOTAL", 10)
    bench.client.sendall(CHUNKED + b"8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n")
    assert b"rule held-bytes" in bench.answer()
    assert bench.context.held_bytes == 0
    assert recorder.connections == []


def test_memory_is_given_back_after_the_request(bench: Bench) -> None:
    bench.client.sendall(CHUNKED + b"8\r\n12345678\r\n")
    bench.run_until(lambda: bench.context.held_bytes == 8)
    bench.client.sendall(b"0\r\n\r\n")
    bench.client.shutdown(socket.SHUT_WR)
    assert bench.answer().startswith(b"HTTP/1.1 200 ")
    assert bench.context.held_bytes == 0


def test_client_that_is_gone_ends_the_upstream_request(bench: Bench, recorder: Any, tmp_path: Path) -> None:
    recorder.answer = silent
    bench.client.sendall(PLAIN)
    bench.run_until(lambda: recorder.received.endswith(b"{}"))
    bench.client.close()
    bench.run_until(lambda: bool(bench.gone))
    end = json.loads((tmp_path / "log").read_text().splitlines()[-1])
    assert (end["event"], end["verdict"], end["rule"]) == ("end", "cut", "client-gone")


def test_no_new_request_while_stopping(bench: Bench, recorder: Any) -> None:
    bench.context.stopping = True
    bench.client.sendall(PLAIN)
    assert b"rule closing" in bench.answer()
    assert recorder.connections == []


class Names:
    """Answers look-ups from a table and counts them."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.asked = 0

    def __call__(self, *_args: Any, **_kwargs: Any) -> list[Any]:
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(0, 0, 0, "", (address, 0)) for address in self.addresses]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["1.1.1.1", "2606:4700::1111"], ["1.1.1.1", "2606:4700::1111"]),
        (["1.1.1.1", "169.254.169.254"], "address-guard"),
        ([], "upstream-resolve"),
    ],
)
def test_resolver(bench: Bench, monkeypatch: pytest.MonkeyPatch, addresses: list[str], expected: object) -> None:
    names = Names(addresses)
    monkeypatch.setattr(socket, "getaddrinfo", names)
    outcomes: list[Outcome] = []
    bench.resolver.resolve("api.test", outcomes.append)
    bench.resolver.resolve("api.test", outcomes.append)
    bench.run_until(lambda: len(outcomes) == 2)
    assert names.asked == 1, "two questions at once share one look-up"
    for outcome in outcomes:
        assert (outcome.rule if isinstance(outcome, Refusal) else outcome) == expected
    bench.resolver.resolve("api.test", outcomes.append)
    bench.run_until(lambda: len(outcomes) == 3)
    assert names.asked == (1 if isinstance(expected, list) else 2), "only good answers are remembered"


def test_exactly_the_vetted_address_is_dialled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[object] = []

    def connect_ex(_sock: socket.socket, address: object) -> int:
        dialled.append(address)
        return 101  # ENETUNREACH: the test stays on this machine

    monkeypatch.setattr(socket, "getaddrinfo", Names(["1.1.1.1", "2606:4700::1111"]))
    monkeypatch.setattr("credential_proxy.stream.socket.socket.connect_ex", connect_ex, raising=False)
    route = Route("r", "anthropic", "/", "api.test", 443, "key", None, None)
    upstream = Upstream(bench.reactor, bench.resolver, route, tls_context(route))
    failures: list[Refusal] = []
    upstream.dial(lambda _stream: None, failures.append)
    bench.run_until(lambda: bool(failures))
    assert dialled == [("1.1.1.1", 443), ("2606:4700::1111", 443)]
    assert failures[0].rule == "upstream-connect"


@pytest.fixture
def full_disk(bench: Bench, tmp_path: Path) -> Iterator[None]:
    """Let no file of this process grow beyond the log's size: what a full disk does, without one."""
    bench.audit.write("filler", {"text": "x" * 8000})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "log").stat().st_size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize(
    "request_",
    [PLAIN, CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", PLAIN.replace(b"2\r\n\r\n{}", b"99\r\n\r\n{}")],
    ids=["whole", "chunked", "unfinished"],
)
def test_what_cannot_be_written_down_does_not_happen(bench: Bench, recorder: Any, request_: bytes) -> None:
    bench.client.sendall(request_)
    answer = bench.answer()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert recorder.connections == []
    assert not bench.audit.healthy
    assert bench.context.held_bytes == 0


@pytest.mark.usefixtures("full_disk")
def test_what_is_answered_here_must_be_written_down_too(bench: Bench) -> None:
    bench.client.sendall(b"HEAD /api/hello HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = bench.answer()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"\r\n\r\n")
