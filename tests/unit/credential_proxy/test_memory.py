# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory for what must wait: whatever waits is counted, each conversation has a share, and all of it comes back."""

from __future__ import annotations

import contextlib
import json
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from credential_proxy import context as context_module
from credential_proxy.apis.packages import Mirror
from credential_proxy.audit import AuditLog
from credential_proxy.connection import Connection
from credential_proxy.context import Context, Peer, Rules
from credential_proxy.held_page import HeldPage
from credential_proxy.limits import HELD_BYTES_EACH, HELD_BYTES_TOTAL, HIGH_WATER
from credential_proxy.metering.ledger import Ledger
from credential_proxy.metrics import Metrics
from credential_proxy.reactor import Reactor
from credential_proxy.refusals import Refusal
from credential_proxy.resolver import Resolver
from credential_proxy.settings import Route
from credential_proxy.stream import Stream
from credential_proxy.upstream import Upstream

MIB = 1024 * 1024
CHUNKED = (
    b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
PAGE = b"GET /pypi/simple/six/ HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n"
FILE = b"GET /files/six-1.0.tar.gz HTTP/1.1\r\nHost: a\r\n\r\n"
INDEX = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LINK = b'<a href="https://files.test/six-%d.tar.gz">six-%d.tar.gz</a>'
LARGE = b"".join(LINK % (number, number) for number in range(20_000))
ROUTES = (
    Route("a", "anthropic", "/", "api.test", auth="none", tls=False),
    Route("p", "pypi", "/pypi/", "index.test", auth="none", tls=False),
    Route("f", "pypi_files", "/files/", "files.test", auth="none", tls=False),
)


def body(size: int) -> bytes:
    """Return a prompt of this many bytes."""
    return b'{"model": "m", "messages": []' + b" " * (size - 30) + b"}"


def chunked(content: bytes) -> bytes:
    """Frame a whole body."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)


class Bench:
    """Connections of any conversation, and upstreams that the test plays, over pairs of sockets."""

    def __init__(self, directory: Path) -> None:
        self.reactor = Reactor()
        self.resolver = Resolver(self.reactor)
        self.log = directory / "log"
        self.audit = AuditLog(self.log, directory, owe_commit=lambda: self.reactor.flush_first(self.audit.commit))
        self.upstreams = {route.name: Upstream(self.reactor, self.resolver, route, None) for route in ROUTES}
        mirror = Mirror(ROUTES, "http://127.0.0.1")
        self.context = Context(
            reactor=self.reactor,
            resolver=self.resolver,
            audit=self.audit,
            rules=Rules(routes=ROUTES, credentials={}, upstreams=self.upstreams, mirror=mirror),
            ledger=Ledger(()),
            metrics=Metrics(),
        )
        self.gone: list[Connection] = []
        self.sockets: list[socket.socket] = []

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.sockets.append(pair[0])
        return pair

    def client(self, conversation: str = "demo") -> socket.socket:
        """Connect."""
        ours, theirs = self._pair()
        Connection(self.context, conversation, theirs, Peer(1, 2), self.gone.append)
        return ours

    def upstream(self, route: str) -> socket.socket:
        """Make a connection that the next request on this route takes."""
        ours, theirs = self._pair()
        upstream = self.upstreams[route]
        upstream.release(Stream(self.reactor, theirs, upstream))  # type: ignore[arg-type]
        return ours

    def turn(self, count: int = 5) -> None:
        """Turn the loop."""
        for _ in range(count):
            self.reactor.run_once(0)

    def offer(self, sock: socket.socket, data: bytes) -> None:
        """Send as much of it as the proxy takes."""
        view = memoryview(data)
        for _ in range(200):
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                view = view[sock.send(view) :] if view else view
            self.turn(1)

    def send(self, sock: socket.socket, data: bytes) -> None:
        """Send all of it, as fast as the proxy takes it."""
        view = memoryview(data)
        for _ in range(100_000):
            if not view:
                break
            try:
                view = view[sock.send(view) :]
            except BlockingIOError:
                self.turn(1)
        assert not view, "nobody takes it"
        self.turn()

    def read(self, sock: socket.socket, enough: Callable[[bytes], bool] = lambda _data: False) -> bytes:
        """Read until it is enough, the end, or nothing more comes."""
        data = bytearray()
        for _ in range(20):
            try:
                while not enough(data) and (piece := sock.recv(65536)):
                    data += piece
            except BlockingIOError:
                pass
            self.turn(1)
        return bytes(data)

    def end(self) -> tuple[str, str]:
        """Return verdict and rule of the last request that ended."""
        self.turn()
        ends = [record for record in map(json.loads, self.log.read_text().splitlines()) if record["event"] == "end"]
        return ends[-1]["verdict"], ends[-1].get("rule", "")

    @property
    def held(self) -> int:
        """Return what is counted, which must be the same in all ways of counting."""
        assert self.context.held_bytes == sum(self.context.held_by.values())
        return self.context.held_bytes

    def close(self) -> None:
        """Close everything."""
        for sock in self.sockets:
            sock.close()
        for upstream in self.upstreams.values():
            upstream.close()
        self.turn()
        assert self.held == 0
        assert self.context.held_by == {}
        self.resolver.close()
        self.audit.close()
        self.reactor.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Whatever a test does, in the end nothing may be held."""
    made = Bench(tmp_path)
    yield made
    made.close()


def test_body_is_counted_until_the_upstream_has_taken_it(bench: Bench) -> None:
    client, upstream = bench.client(), bench.upstream("a")
    bench.send(client, CHUNKED + chunked(body(4 * MIB)))
    assert bench.held == 4 * MIB, "the upstream reads nothing yet"
    assert bench.read(upstream, lambda data: len(data) > MIB)
    assert bench.held == 4 * MIB
    bench.read(upstream)
    assert bench.held == 0, "it has everything, and has not answered"
    bench.send(upstream, OK)
    assert bench.read(client) == OK.replace(b"Content-Length", b"content-length")
    assert bench.end() == ("served", "")


def test_body_that_the_upstream_does_not_want(bench: Bench) -> None:
    client, upstream = bench.client(), bench.upstream("a")
    bench.send(client, CHUNKED + chunked(body(4 * MIB)))
    bench.send(upstream, OK)
    assert bench.read(client).startswith(b"HTTP/1.1 200 OK")
    assert bench.held == 0
    bench.read(upstream)
    assert upstream.recv(1) == b"", "a connection with half a request in it is not used again"


def test_page_is_counted_while_it_arrives_and_until_the_client_has_it(bench: Bench) -> None:
    client, upstream = bench.client(), bench.upstream("p")
    bench.send(client, PAGE)
    bench.send(upstream, INDEX % len(LARGE) + LARGE[:MIB])
    assert bench.held == MIB
    bench.send(upstream, LARGE[MIB:])
    assert bench.held > MIB, "the page is complete and the client reads nothing"
    beginning = bench.read(client, lambda data: len(data) > MIB // 2)
    assert bench.held > MIB
    page = beginning + bench.read(client)
    assert page.count(b"<a href") == 20_000
    assert page.endswith(b"</html>")
    assert bench.held == 0
    assert bench.end() == ("served", "")
    # Both connections go on.
    bench.send(client, PAGE)
    bench.send(upstream, INDEX % 0)
    assert bench.read(client).startswith(b"HTTP/1.1 200 OK")


def test_page_without_a_length_while_the_client_is_slow(bench: Bench) -> None:
    client, upstream = bench.client(), bench.upstream("p")
    bench.send(client, PAGE)
    bench.read(upstream)
    bench.send(upstream, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + LARGE)
    upstream.close()
    bench.turn()
    assert bench.held > MIB
    assert bench.read(client).count(b"<a href") == 20_000
    assert bench.held == 0
    assert bench.end() == ("served", "")


def test_small_pages_that_nobody_reads_do_not_pile_up(bench: Bench) -> None:
    """The next request of a client that does not read its answers waits until it does."""
    link = LINK % (1, 1)
    page = link * (150 * 1024 // len(link))
    client, upstream = bench.client(), bench.upstream("p")
    bench.send(client, PAGE * 50)
    for _ in range(50):
        if bench.read(upstream):
            bench.send(upstream, INDEX % len(page) + page)
    decisions = bench.log.read_text().count('"decision"')
    assert decisions < 8, f"{decisions} answers wait in memory"
    served = bench.read(client).count(b"HTTP/1.1 200 OK")
    while bench.read(upstream):
        bench.send(upstream, INDEX % len(page) + page)
        served += bench.read(client).count(b"HTTP/1.1 200 OK")
    assert served == 50


def test_page_that_does_not_fit_is_refused_with_an_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "HELD_BYTES_EACH", 1000)
    client, upstream = bench.client(), bench.upstream("p")
    bench.send(client, PAGE)
    bench.send(upstream, INDEX % 2000 + b"x" * 1001)
    assert b"rule held-bytes" in bench.read(client)
    assert bench.held == 0


def test_page_that_grows_too_large_when_it_is_rewritten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    link = LINK % (1, 1)
    monkeypatch.setattr(context_module, "HELD_BYTES_EACH", 10 * len(link))
    client, upstream = bench.client(), bench.upstream("p")
    bench.send(client, PAGE)
    bench.send(upstream, INDEX % (10 * len(link)) + link * 10)
    answer = bench.read(client)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"rule held-bytes" in answer


def test_no_conversation_takes_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "HELD_BYTES_EACH", MIB)
    monkeypatch.setattr(context_module, "HELD_BYTES_TOTAL", 2 * MIB)
    greedy = [bench.client("greedy") for _ in range(8)]
    for client in greedy:
        bench.send(client, CHUNKED + b"%x\r\n%b" % (MIB, b" " * (MIB // 2)))
    assert bench.held == MIB
    assert [b"rule held-bytes" in bench.read(client) for client in greedy] == [False] * 2 + [True] * 6
    victim, upstream = bench.client("victim"), bench.upstream("a")
    bench.send(victim, CHUNKED + chunked(body(100)))
    bench.read(upstream)
    bench.send(upstream, OK)
    assert bench.read(victim).startswith(b"HTTP/1.1 200 OK")


def test_several_conversations_share_what_there_is(bench: Bench) -> None:
    hold = bench.context.hold
    for number in range(HELD_BYTES_TOTAL // HELD_BYTES_EACH):
        hold(str(number), HELD_BYTES_EACH)
    with pytest.raises(Refusal, match="held-bytes"):
        hold("another", 1)
    for number in range(HELD_BYTES_TOTAL // HELD_BYTES_EACH):
        bench.context.give_back(str(number), HELD_BYTES_EACH)
    hold("another", HELD_BYTES_EACH)
    with pytest.raises(Refusal, match="held-bytes"):
        hold("another", 1)
    bench.context.give_back("another", HELD_BYTES_EACH)


PHASES: dict[str, tuple[str, bytes, bytes]] = {
    # Route, what the client sends, what the upstream sends.
    "body arrives": ("a", CHUNKED + b"ffff\r\nabc", b""),
    "body waits for the upstream": ("a", CHUNKED + chunked(body(4 * MIB)), b""),
    "answer begins before the body has left": ("a", CHUNKED + chunked(body(4 * MIB)), INDEX % 9 + b"begun"),
    "answer": ("a", CHUNKED + chunked(body(100)), INDEX % 9 + b"begun"),
    "answer waits for the client": ("f", FILE, INDEX % (8 * MIB) + b"x" * MIB),
    "page arrives": ("p", PAGE, INDEX % len(LARGE) + LARGE[:MIB]),
    "page waits for the client": ("p", PAGE, INDEX % len(LARGE) + LARGE),
    "page that is none": ("p", PAGE, INDEX.replace(b"html", b"none") % 5 + b"12345"),
}


@pytest.mark.parametrize("aborts", ["client hangs up", "upstream hangs up", "conversation is closed"])
@pytest.mark.parametrize("phase", PHASES)
def test_everything_comes_back_in_every_phase(bench: Bench, phase: str, aborts: str) -> None:
    route, asked, answered = PHASES[phase]
    client, upstream = bench.client(), bench.upstream(route)
    bench.send(client, asked)
    if answered:
        if "before" not in phase:
            bench.read(upstream)
        bench.offer(upstream, answered)
    assert bool(bench.held) == (phase not in ("answer", "answer waits for the client", "page that is none"))
    if aborts == "client hangs up":
        client.close()
    elif aborts == "upstream hangs up":
        upstream.close()
    else:
        for handler in list(bench.reactor._handlers.values()):
            owner = getattr(getattr(handler, "__self__", None), "owner", None)
            if isinstance(owner, Connection):
                owner.cut("conversation-closed")
    bench.turn()
    if aborts == "upstream hangs up":
        # What is whole already is still the client's; what has not begun goes on to be waited for.
        links = bench.read(client).count(b"<a href")
        assert links == (20_000 if phase == "page waits for the client" else 0)
        client.close()
        bench.turn()
    assert bench.held == 0
    assert bench.gone


def test_pieces_of_a_page_keep_nothing_of_it() -> None:
    page = HeldPage()
    tracemalloc.start()
    try:
        page.put(bytes(8 * MIB))
        while page.waits:
            assert page.next_piece()
        assert tracemalloc.get_traced_memory()[0] < MIB
        page.put(bytes(8 * MIB))
        page.next_piece()
        page.drop()
        assert tracemalloc.get_traced_memory()[0] < MIB
    finally:
        tracemalloc.stop()


def test_the_figures_fit_together() -> None:
    assert 2 * HELD_BYTES_EACH <= HELD_BYTES_TOTAL
    assert HIGH_WATER < HELD_BYTES_EACH
