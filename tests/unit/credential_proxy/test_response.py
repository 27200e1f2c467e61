# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer relay: byte for byte for good answers, a refusal for bad ones, and never the secret."""

from __future__ import annotations

import tracemalloc

import pytest
from credential_proxy.refusals import Refusal
from credential_proxy.response import ResponseRelay
from hypothesis import given
from hypothesis import strategies as st

SECRET = b"sk-ant-secret-0123456789"
EVENT = b'event: ping\ndata: {"type": "ping"}\n\n'
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def relay(method: str = "POST", *, close: bool = False) -> ResponseRelay:
    """Make a relay for one answer."""
    return ResponseRelay(method=method, needles=(SECRET,), close=close)


def chunk(data: bytes) -> bytes:
    """Frame a chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def rule_of(*pieces: bytes) -> str:
    """Return the rule that refuses this answer."""
    with pytest.raises(Refusal) as caught:
        feed_all(relay(), *pieces)
    return caught.value.rule


def feed_all(answer: ResponseRelay, *pieces: bytes) -> bytes:
    """Feed the pieces and return the client's bytes."""
    return b"".join(answer.feed(piece) for piece in pieces)


def test_events_pass_at_once_and_unchanged() -> None:
    answer = relay()
    assert answer.feed(SSE_HEAD).endswith(b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(3):
        assert answer.feed(chunk(EVENT)) == chunk(EVENT)
    assert answer.feed(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert answer.complete
    assert answer.reusable


def test_length_and_fields() -> None:
    answer = relay()
    out = answer.feed(
        b"HTTP/1.1 529 Overloaded\r\nContent-Length: 2\r\nrequest-id: r1\r\nanthropic-ratelimit-x: 7\r\n"
        b"Set-Cookie: a=b\r\nAlt-Svc: h3\r\nanthropic-organization-id: o\r\n"
        b"X-Hop: 1\r\nConnection: keep-alive, X-Hop\r\n\r\n{}"
    )
    assert out == (
        b"HTTP/1.1 529 Overloaded\r\nrequest-id: r1\r\nanthropic-ratelimit-x: 7\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert answer.reusable


def test_informational_answers_are_dropped() -> None:
    out = relay().feed(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + b"HTTP/1.1 204 No Content\r\n\r\n"
    )
    assert out == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_answer_without_length_is_chunked_and_ends_with_the_connection() -> None:
    answer = relay()
    out = answer.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") + answer.end()
    assert out.endswith(b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert answer.complete
    assert not answer.reusable


def test_answer_to_head_has_no_body() -> None:
    answer = relay("HEAD")
    assert answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n").endswith(b"content-length: 50\r\n\r\n")
    assert answer.complete


def test_bytes_after_the_answer_are_not_passed_on() -> None:
    answer = relay()
    out = answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nevil")
    assert out.endswith(b"\r\n\r\nok")
    assert not answer.reusable


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\n\n", "upstream-answer"),
        (b"HTTP/2 200\r\n\r\n", "upstream-answer"),
        (b"ICY 200 OK\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70000, "upstream-answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "upstream-encoding"),
        (SSE_HEAD + b"zz\r\n", "upstream-answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + SECRET + b"\r\n\r\n", "secret-echo"),
        (b"HTTP/1.1 200 " + SECRET + b"\r\n\r\n", "secret-echo"),
    ],
)
def test_bad_answer(raw: bytes, rule: str) -> None:
    assert rule_of(raw) == rule


def test_an_answer_may_come_in_chunks_of_any_size() -> None:
    answer = relay()
    out = answer.feed(SSE_HEAD + chunk(b"a") * 20_000 + b"0\r\n\r\n")
    assert out.endswith(chunk(b"a" * 20_000) + b"0\r\n\r\n")
    assert answer.complete


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", SSE_HEAD + b"5\r\nab"]
)
def test_cut_answer(raw: bytes) -> None:
    answer = relay()
    answer.feed(raw)
    with pytest.raises(Refusal) as caught:
        answer.end()
    assert caught.value.rule == "upstream-cut"


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.sampled_from(["length", "chunked", "endless"]))
def test_secret_never_passes_whole(cuts: list[int], framing: str) -> None:
    """Whatever the split of the stream, the client never gets all of the secret, and no byte of it at once."""
    body = b'{"echo": "sk-ant-' + SECRET + b'"}'
    head = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body),
        "chunked": SSE_HEAD,
        "endless": b"HTTP/1.1 200 OK\r\n\r\n",
    }[framing]
    answer, out, at = relay(), b"", 0
    answer.feed(head)
    with pytest.raises(Refusal) as caught:
        for cut in [*cuts, len(body)]:
            piece, at = body[at : at + cut], at + cut
            if piece:
                out += answer.feed(chunk(piece) if framing == "chunked" else piece)
    assert caught.value.rule == "secret-echo"
    assert SECRET[:8] not in out.replace(b"\r\n", b"")[len(b'{"echo": "sk-ant-') :]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_other_bodies_are_unchanged(body: bytes, step: int) -> None:
    answer = relay()
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    out = feed_all(answer, *(raw[at : at + step] for at in range(0, len(raw), step)))
    assert out.partition(b"\r\n\r\n")[2] == body
    assert answer.complete


def test_long_lines_of_an_answer_are_not_remembered() -> None:
    tracemalloc.start()
    try:
        for number in range(600):
            line = b"X-Filler: %d" % number + b"a" * 10_000
            assert line in relay().feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line + b"\r\n\r\n")
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
