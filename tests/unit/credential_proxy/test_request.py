# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request parser: what it reads, and the hostile inputs that it must refuse by the right rule."""

from __future__ import annotations

import pytest
from credential_proxy.refusals import Refusal
from credential_proxy.request import End, RequestHead, RequestReader
from hypothesis import given
from hypothesis import strategies as st

HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def read(raw: bytes, *, step: int | None = None) -> tuple[list[RequestHead], bytes, int]:
    """Feed bytes, whole or in steps; return heads, body bytes and the number of completed messages."""
    reader = RequestReader()
    heads, body, ends = [], b"", 0
    for start in range(0, len(raw), step or len(raw) or 1):
        reader.feed(raw[start : start + (step or len(raw))])
        while (event := reader.next_event()) is not None:
            if isinstance(event, RequestHead):
                heads.append(event)
                ends += event.length == 0
            elif isinstance(event, End):
                ends += 1
            else:
                body += event
    return heads, body, ends


def rule_of(raw: bytes) -> str:
    """Return the rule that refuses these bytes."""
    with pytest.raises(Refusal) as caught:
        read(raw)
    return caught.value.rule


def test_plain_request() -> None:
    (head,), body, ends = read(HEAD + b"Content-Length: 5\r\nX-Y:  a b \r\n\r\nhello")
    assert (head.method, head.target, head.length, body, ends) == ("POST", "/v1/messages", 5, b"hello", 1)
    assert (b"x-y", b"a b") in head.fields


@given(st.integers(1, 200))
def test_any_split_reads_the_same(step: int) -> None:
    chunks = b"5\r\nhello\r\n6;a=b\r\n world\r\n1\r\n!\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n"
    raw = CHUNKED + chunks + HEAD + b"Content-Length: 2\r\n\r\nok"
    assert read(raw, step=step) == read(raw)


def test_bytes_after_the_end_are_the_next_request() -> None:
    heads, body, ends = read(HEAD + b"Content-Length: 2\r\n\r\nokGET /v1/models HTTP/1.1\r\nHost: b\r\n\r\n")
    assert [head.method for head in heads] == ["POST", "GET"]
    assert (body, ends) == (b"ok", 2)


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        # 1: both framings.
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer-encoding"),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "transfer-encoding"),
        # 2: lengths that somebody could read in another way.
        *(
            (HEAD + b"Content-Length: " + value + b"\r\n\r\n", "content-length")
            for value in (
                b"+5",
                b"-5",
                b"0x5",
                b"5_0",
                b"5, 5",
                b"5,5",
                b"05",
                b"",
                b"5 5",
                b"9" * 4096,
                b"5.0",
                b"1e2",
            )
        ),
        (HEAD + "Content-Length: \u0665\r\n\r\n".encode(), "content-length"),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "content-length"),
        (HEAD + b"Content-Length: 5\r\ncontent-length: 6\r\n\r\n", "content-length"),
        # 3: transfer encodings.
        *(
            (HEAD + b"Transfer-Encoding: " + value + b"\r\n\r\n", "transfer-encoding")
            for value in (
                b"xchunked",
                b"chunked, identity",
                b"identity",
                b"gzip, chunked",
                b"chunked chunked",
                b'"chunked"',
            )
        ),
        (HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n", "field"),
        (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer-encoding"),
        # 4: chunks.
        *(
            (CHUNKED + line, "chunk")
            for line in (
                *(
                    b"0_2e\r\n",
                    b"+a\r\n",
                    b"0x1\r\na",
                    b" 1\r\n",
                    b"1 \r\na",
                    b"123456789\r\n",
                    b"1\na\r\n",
                    b"\r\n",
                    b"-1\r\n",
                ),
                *(
                    b"1;\r\na\r\n",
                    b"1;\n\r\na",
                    b"1;a\rb\r\n",
                    b"1;a=\x01\r\n",
                    b"g\r\n",
                    b"5\r\nhelloXX",
                    b"5\r\nhello\n0",
                ),
                *(b"1;" + b"a" * 300 + b"\r\n", b"a" * 300),
            )
        ),
        # 5: trailers must at least be fields.
        (CHUNKED + b"0\r\nbad trailer\r\n\r\n", "field"),
        (CHUNKED + b"0\r\nX: y\n\r\n", "chunk"),
        # 6: line ends and bytes around the head.
        (b"GET / HTTP/1.1\nHost: a\n\n", "line-end"),
        (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "line-end"),
        (b"GET / HTTP/1.1\rHost: a\r\r", "line-end"),
        (b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "line-end"),
        (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "line-end"),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "request-line"),
        (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", "request-line"),
        # 7: names.
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "field"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "field"),
        (b"GET / HTTP/1.1\r\n: a\r\n\r\n", "field"),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n", "field"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", "field"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX(y): 5\r\n\r\n", "field"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\u00e9: 5\r\n\r\n".encode(), "field"),
        # 8: values.
        *(
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: b" + bytes([code]) + b"c\r\n\r\n", "field")
            for code in (1, 7, 8, 11, 27, 127)
        ),
        # 10: bodies where none belongs.
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "unexpected-body"),
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "unexpected-body"),
        # 11: versions and request lines.
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "http-version"),
        (b"PRI * HTTP/2.0\r\n\r\n", "http-version"),
        *(
            (line + b"\r\nHost: a\r\n\r\n", "request-line")
            for line in (
                *(
                    b"GET /",
                    b"GET / HTTP/1.1 ",
                    b"GET  / HTTP/1.1",
                    b"GET /  HTTP/1.1",
                    b"GET / http/1.1",
                    b"GET / HTTP/1.10",
                ),
                *(
                    b"GET / HTTP/11",
                    b"G\x01T / HTTP/1.1",
                    b"GET /a b HTTP/1.1",
                    b"GET / ICE/1.0",
                    b"GET\t/ HTTP/1.1",
                    b"G:T / HTTP/1.1",
                ),
            )
        ),
        # 12: hosts.
        (b"GET / HTTP/1.1\r\n\r\n", "host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "host"),
        *(
            (b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n", "host")
            for value in (b"", b"a,b", b"u@a", b"a/b", b"a:b", b"a b", b"a#b", b"a?b", b"a:999999", b"[::1", b"a_b")
        ),
        # Sizes.
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "head-size"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n", "head-size"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 1000 + b"\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 70,
            "head-size",
        ),
        (b"a" * 17000, "head-size"),
        (HEAD + b"Content-Length: 33554433\r\n\r\n", "body-size"),
        (HEAD + b"Content-Length: 4\r\nExpect: 200-maybe\r\n\r\n", "expectation"),
    ],
)
def test_hostile_head(raw: bytes, rule: str) -> None:
    assert rule_of(raw) == rule


def test_chunked_body_has_the_same_limit() -> None:
    chunk = b"%x\r\n%s\r\n" % (1 << 20, b"a" * (1 << 20))
    assert rule_of(CHUNKED + chunk * 33) == "body-size"


@pytest.mark.parametrize("trailers", [b"a: b\r\n" * 101, (b"a: " + b"b" * 1000 + b"\r\n") * 9])
def test_trailers_are_counted_as_they_arrive(trailers: bytes) -> None:
    assert rule_of(CHUNKED + b"0\r\n" + trailers) == "chunk"


def test_as_many_trailers_as_a_head_may_have_fields() -> None:
    assert read(CHUNKED + b"0\r\n" + b"a: b\r\n" * 100 + b"\r\n")[1:] == (b"", 1)


def chunks(size: int, count: int, *, line: bytes = b"%x\r\n") -> bytes:
    """Write chunks of one size."""
    return (line % size + b"a" * size + b"\r\n") * count


@pytest.mark.parametrize(
    "body",
    [
        chunks(1, 1100),
        chunks(1, 1100, line=b"%x;ext\r\n"),
        chunks(60, 20_000),
        # What came before in large pieces does not pay for them.
        chunks(1 << 20, 1) + chunks(1, 1100),
    ],
    ids=["bytes", "with extensions", "lines", "late"],
)
@pytest.mark.parametrize("step", [None, 7000, 11])
def test_many_tiny_chunks(body: bytes, step: int | None) -> None:
    with pytest.raises(Refusal) as caught:
        read(CHUNKED + body, step=step)
    assert caught.value.rule == "chunk-size"


@pytest.mark.parametrize(
    "body",
    [chunks(1, 1000), chunks(64, 20_000), (chunks(1, 1000) + chunks(64_000, 1)) * 5, chunks(1, 900) + chunks(9000, 5)],
    ids=["few", "average", "now and then", "at first"],
)
def test_small_chunks_of_a_working_client(body: bytes) -> None:
    assert read(CHUNKED + body + b"0\r\n\r\n", step=65536)[2] == 1


def test_trailers_are_dropped() -> None:
    heads, body, ends = read(CHUNKED + b"1\r\na\r\n0\r\nAuthorization: x\r\nContent-Length: 9\r\n\r\n")
    assert (body, ends) == (b"a", 1)
    assert not {b"authorization", b"content-length"} & {name for name, _ in heads[0].fields}


def test_chunk_extensions_with_quoted_text() -> None:
    assert read(CHUNKED + b'5;a="b;\\" c" ; d=e\r\nhello\r\n0;x\r\n\r\n')[1:] == (b"hello", 1)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(junk: bytes) -> None:
    for raw in (junk, HEAD + junk, CHUNKED + junk):
        try:
            read(raw)
        except Refusal as refusal:
            assert 400 <= refusal.status < 600
