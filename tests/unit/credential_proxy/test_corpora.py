# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request corpora of gunicorn and llhttp against the real service: a recording upstream must see nothing unsafe.

Each request goes in twice: as it stands (mostly refused for its path), and aimed at an allowed path, so that only the
parser stands between it and the upstream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FIELD = re.compile(rb"([!#$%&'*+.^`|~0-9a-z-]+): ([\x20-\x7e\x80-\xff\t]*)")
REQUEST_LINE = re.compile(rb"(POST /v1/messages|POST /v1/messages/count_tokens|GET /v1/models) HTTP/1\.1")

# Refused by gunicorn, harmless here once they are aimed at an allowed path, each for the reason given.
HARMLESS = {
    "041.http": "two Content-Type fields frame nothing; the API judges them",
    "rfc9110_trailer_forbidden_cl_01.http": "trailers are dropped, all of them",
    "rfc9110_trailer_forbidden_host_01.http": "trailers are dropped, all of them",
    "rfc9110_trailer_forbidden_te_01.http": "trailers are dropped, all of them",
    "rfc9112_target_asterisk_non_options_01.http": "only the target was wrong, and aiming replaced it",
    "rfc9112_target_authority_non_connect_01.http": "only the target was wrong, and aiming replaced it",
    "rfc9112_target_relative_01.http": "only the target was wrong, and aiming replaced it",
}


def gunicorn_cases(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Read gunicorn's files, in which line ends are written out and real ones only wrap."""
    for file in sorted(directory.glob("*.http")):
        text = file.read_bytes().replace(b"\r", b"").replace(b"\n", b"")
        yield file.name, text.decode("unicode_escape").encode("latin-1")


def llhttp_cases(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Read llhttp's documents: each fenced block is one case."""
    for file in sorted(directory.glob("*.md")):
        for number, block in enumerate(re.findall(r"```http\n(.*?)```", file.read_text("utf-8"), re.DOTALL)):
            text = block.replace("\\\n", "").replace("\n", "\r\n").encode()
            for escape, byte in ((rb"\r", b"\r"), (rb"\n", b"\n"), (rb"\t", b"\t"), (rb"\f", b"\f")):
                text = text.replace(escape, byte)
            text = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda match: bytes([int(match[1], 16)]), text)
            yield f"{file.name}#{number}", text


def aimed(raw: bytes) -> bytes:
    """Ask for an allowed path instead."""
    line, end, rest = raw.partition(b"\r\n")
    parts = line.split(b" ", 2)
    return b" ".join([b"POST", b"/v1/messages", *parts[2:]]) + end + rest


def check_upstream_bytes(data: bytes, key: str) -> int:
    """Read what the upstream got with rules of our own; return the number of requests."""
    count = 0
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        assert blank, head
        lines = head.split(b"\r\n")
        assert not re.search(rb"[\r\n\0]", head.replace(b"\r\n", b"")), head
        assert REQUEST_LINE.fullmatch(lines[0]), head
        fields = []
        for line in lines[1:]:
            match = FIELD.fullmatch(line)
            assert match, head
            fields.append((match[1], match[2]))
        names = [name for name, _ in fields]
        assert names.count(b"host") == 1
        assert (b"host", b"api.test") in fields
        assert [value for name, value in fields if name == b"x-api-key"] == [key.encode()]
        assert not {b"transfer-encoding", b"authorization", b"cookie", b"connection", b"upgrade", b"te"} & set(names)
        lengths = [value for name, value in fields if name == b"content-length"]
        assert len(lengths) == (1 if lines[0].startswith(b"POST") else 0)
        length = int(lengths[0]) if lengths else 0
        data = data[length:]
        count += 1
    return count


@pytest.mark.parametrize("corpus", ["gunicorn-invalid", "gunicorn-valid", "llhttp-request"])
def test_nothing_unsafe_reaches_the_upstream(
    corpora: Path, corpus: str, streaming: Any, recorder: Any, real_key: str
) -> None:
    reader = llhttp_cases if corpus == "llhttp-request" else gunicorn_cases
    cases = list(reader(corpora / corpus))
    assert len(cases) > 40
    forwarded = []
    for name, raw in cases:
        for variant in (raw, aimed(raw)):
            recorder.connections.clear()
            answer = streaming.exchange(variant)
            assert not answer or answer.startswith(b"HTTP/1.1 "), name
            if any(check_upstream_bytes(bytes(data), real_key) for data in recorder.connections):
                forwarded.append(name)
            # The next case must not share an upstream connection with this one.
            recorder.answer = lambda sock, request: not recorder.plain_answer(sock, request)
    assert streaming.process.poll() is None
    # A test in which nothing is ever forwarded could not fail.
    assert forwarded
    if corpus == "gunicorn-invalid":
        assert set(forwarded) == set(HARMLESS)
