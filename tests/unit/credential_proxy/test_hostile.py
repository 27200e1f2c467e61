# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forty hostile inputs: what is sent, what the client gets, and what a recording upstream saw of it.

Upstream ``NOTHING`` means not a byte. Here is what can be sent on a socket; resolved addresses, hellos of TLS, hostile
answers, slow clients, storms and disks (24, 26 to 28, 32, 36 to 38) have tests of their own: ``test_connection``,
``test_client_hello``, ``test_tunnels``, ``test_sigv4``, ``test_response``, ``test_wire``, ``tests/proxy/faults``.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import pytest
from proxy_stand import KEY, Certificates, Proxy, Recorder

REGION = "eu-central-1"
GIT = "git.eu-central-1.api.test"
NOTHING = re.compile(rb"")
ONE_MESSAGE = re.compile(
    rb"POST /v1/messages HTTP/1\.1\r\nhost: api\.test\r\n(?:[a-z-]+: [^\r\n]*\r\n)*"
    rb"x-api-key: " + KEY.encode() + rb"\r\n\r\n(?:\{\}|7)?",
    re.DOTALL,
)
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b"Content-Length: 2\r\n\r\n{}"


@dataclass(frozen=True)
class Case:
    """One input. ``number`` is its place among the forty."""

    number: int
    raw: bytes
    status: int
    upstream: re.Pattern[bytes] = NOTHING


def get(target: str, method: str = "GET") -> bytes:
    """Write a request without a body."""
    return f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode("latin-1")


def post(target: str) -> bytes:
    """Write a request with one."""
    return f"POST {target} HTTP/1.1\r\nHost: a\r\n".encode("latin-1") + BODY


def connect(target: str, rest: bytes = b"") -> bytes:
    """Ask for a tunnel."""
    return f"CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode("latin-1") + rest


def field(text: bytes) -> bytes:
    """Send a good message with one more field."""
    return HEAD + text + b"\r\n" + BODY


LENGTHS = (b"5, 5", b"+5", b"0x5", b"5_0", b"9" * 4000, "\u0665".encode())
ENCODINGS = (b"xchunked", b"chunked, identity", b"\x0bchunked", b"chunked\r\nTransfer-Encoding: chunked")
CHUNKS = (b"0_2e", b"+a", b"0x1", b" 1", b"123456789", b"1;a\rb", b"1;a=\x01")
VERSIONS = (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9")
HOSTS = (b"a,b", b"u@a", b"a/b", b"a:b", b"")
CREDENTIALS = (
    *(b"x-api-key: evil", b"X-Api-Key: evil\r\nX-API-KEY: evil", b"Authorization: Bearer evil", b"Cookie: evil=1"),
    *(b"x-amz-security-token: evil", b"Proxy-Authorization: Basic evil", b"anthropic-workspace-id: evil"),
)
CASES = [
    Case(1, HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    *(Case(2, HEAD + b"Content-Length: " + value + b"\r\n\r\n{}", 400) for value in LENGTHS),
    Case(2, HEAD + b"Content-Length: 2\r\n" + BODY, 400),
    *(Case(3, HEAD + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n", 400) for value in ENCODINGS),
    *(Case(4, CHUNKED + size + b"\r\nx\r\n0\r\n\r\n", 400) for size in CHUNKS),
    Case(4, CHUNKED + b"1\nx\r\n0\r\n\r\n", 400),
    Case(5, CHUNKED + b"1\r\n7\r\n0\r\nAuthorization: evil\r\nContent-Length: 9\r\n\r\n", 200, ONE_MESSAGE),
    *(Case(6, field(b"X: y").replace(b"\r\n", end), 400) for end in (b"\n", b"\r")),
    *(Case(6, junk + field(b"X: y"), 400) for junk in (b"\r\n", b"\0", b" ")),
    Case(6, field(b"X: y\0z"), 400),
    *(Case(7, field(text), 400) for text in (b"X: y\r\n z", b"X : y", b": y", b"X(: y", b"content_length: 9")),
    *(Case(8, field(b"X: y" + bytes([code])), 400) for code in (1, 8, 27, 127)),
    Case(8, post("/v1/messages%0d%0aX:evil"), 403),
    Case(9, field(b"X: y") + post("/v1/files"), 200, ONE_MESSAGE),
    Case(10, b"GET /v1/models HTTP/1.1\r\nHost: a\r\n" + BODY, 400),
    Case(10, b"GET /v1/models HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    Case(10, b"DELETE /v1/models HTTP/1.1\r\nHost: a\r\n" + BODY, 405),
    *(Case(11, b"GET /v1/models " + version + b"\r\nHost: a\r\n\r\n", 505) for version in VERSIONS),
    Case(11, b"GET /v1/models\r\n\r\n", 400),
    Case(11, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Case(11, get("/v1/models").replace(b"HTTP/1.1", b"HTTP/1.1 "), 400),
    *(Case(12, HEAD.replace(b"Host: a", b"Host: " + host) + BODY, 400) for host in HOSTS),
    Case(12, b"POST /v1/messages HTTP/1.1\r\n" + BODY, 400),
    Case(12, field(b"Host: b"), 400),
    Case(13, HEAD.replace(b"Host: a", b"Host: bedrock.api.test") + BODY, 200, ONE_MESSAGE),
    *(Case(14, post(f"http://{host}/v1/messages"), 400) for host in ("a", "api.test", "evil.test")),
    Case(15, field(b"Connection: x-api-key, authorization, host, content-length"), 200, ONE_MESSAGE),
    *(Case(16, field(text), 200, ONE_MESSAGE) for text in CREDENTIALS),
    Case(16, post("/v1/messages?x-api-key=evil"), 403),
    Case(17, post("/v1/files").replace(b"Host: a", b"Host: a\r\nx-api-key: sk-ant-evil-0123456789"), 403),
    *(Case(18, connect(f"{host}:443"), 403) for host in ("api.test", "API.test", "api.test.")),
    *(Case(19, connect(f"{GIT}:{port}"), 403) for port in ("80", "0", "65536", "0443")),
    *(Case(19, connect(f"{GIT}{port}"), 400) for port in ("", ":443x", ":443:443")),
    Case(20, connect(f"{GIT.upper()}.:443", b"\x16\x03\x01"), 200),
    *(Case(21, connect(f"{host}:443"), 403) for host in (f"{GIT}.evil.test", f"evil{GIT}")),
    *(Case(21, connect(f"{host}:443"), 400) for host in (f"{GIT}@evil.test", f"evil#{GIT}", f"evil%00.{GIT}")),
    Case(21, connect(f"evil\0.{GIT}:443"), 400),
    *(Case(22, connect(f"{host}:443"), 403) for host in ("127.1", "0x7f.1", "2130706433", "0177.0.0.1")),
    *(Case(22, connect(f"{host}:443"), 400) for host in ("[::1]", "[::ffff:169.254.169.254]", f"[{GIT}]")),
    *(Case(23, connect(f"{host}:443"), status) for host, status in (("xn--gt-fka.test", 403), ("g\xeft.test", 400))),
    *(Case(25, connect(f"{GIT}:443", first), 200) for first in (b"SSH-2.0-x\r\n", get("/"), bytes(100))),
    *(Case(29, post(f"/{index}/x"), 405) for index in ("pypi", "files", "npm")),
    *(Case(29, get(f"/npm/-/user/{name}"), 403) for name in ("x", "..", "%2e%2e")),
    *(Case(29, get(f"/files/{path}"), 403) for path in ("../x", "%2e%2e/six-1.0.tar.gz", "/evil.test/six-1.0.tar.gz")),
    *(Case(30, post(f"/v1/{path}"), 403) for path in ("messages/../files", "messages;x", "messages%2f", "a" * 9000)),
    *(
        Case(30, post(path), 403)
        for path in ("//v1/files", "/v1\\messages", "/v1/%6dessages", "/v1/messages?beta=true#")
    ),
    *(Case(31, post(f"/bedrock/model/{model}/converse"), 403) for model in ("..", "a%252fb", "a%00", "a%2f..%2fb")),
    Case(34, field(b"Upgrade: websocket\r\nConnection: upgrade\r\nHTTP2-Settings: x"), 200, ONE_MESSAGE),
    *(Case(35, get("/v1/messages", method), 405) for method in ("TRACE", "OPTIONS", "post", "BREW")),
    Case(35, get("*", "OPTIONS"), 405),
    Case(35, connect("/v1/messages"), 400),
    *(Case(39, get(f"/v1/{path}"), 403) for path in ("%0a%1b[0m", "x" * 15000)),
    Case(39, b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    Case(39, get("/v1/\x1b[2J\xe2\x80\xa8"), 400),
]


@dataclass(frozen=True)
class Place:
    """The service with every kind of route, in front of one recorder."""

    proxy: Proxy
    recorder: Recorder

    def send(self, raw: bytes) -> tuple[bytes, bytes]:
        """Return the answer, and what arrived upstream."""
        before = [len(data) for data in self.recorder.connections]
        answer = self.proxy.exchange(raw)
        after = zip_longest(self.recorder.connections, before, fillvalue=0)
        return answer, b"".join(bytes(data[length:]) for data, length in after if isinstance(data, bytearray))


@pytest.fixture(scope="module")
def place(certificates: Certificates) -> Iterator[Place]:
    """Run them once for all inputs."""
    recorder = Recorder(certificates)
    proxy = Proxy(certificates, recorder.port)
    (route,) = proxy.settings["routes"]
    plain = {key: route[key] for key in ("host", "address", "ca_file")}
    proxy.configure(
        routes=[
            route,
            {
                **route,
                "name": "b",
                "type": "bedrock",
                "prefix": "/bedrock/",
                "auth": "bearer",
                "region": "eu-central-1",
            },
            {**plain, "name": "p", "type": "pypi", "prefix": "/pypi/"},
            {**plain, "name": "f", "type": "pypi_files", "prefix": "/files/"},
            {**plain, "name": "n", "type": "npm", "prefix": "/npm/"},
        ],
        tunnels=[{"host": GIT, "address": f"127.0.0.1:{recorder.port}"}],
    )
    proxy.start()
    yield Place(proxy, recorder)
    _log_is_sound(proxy)
    proxy.clean_up()
    recorder.close()


def _log_is_sound(proxy: Proxy) -> None:
    """One line of ASCII for each record, nothing of a client's secrets, and a chain that verifies."""
    text = proxy.audit_log.read_bytes()
    assert text.isascii()
    assert b"\x1b" not in text
    assert KEY.encode() not in text
    assert max(map(len, text.splitlines())) < 2000
    assert all(json.loads(line) for line in text.splitlines())
    words = proxy.command()
    done = subprocess.run([*words[:3], "verify", *words[3:]], env=proxy.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number}-{case.raw[:40]!r}")
def test_hostile_input(place: Place, case: Case) -> None:
    answer, upstream = place.send(case.raw)
    assert re.match(rb"HTTP/1\.1 [0-9]{3} ", answer)
    assert answer.split(b" ")[1] == str(case.status).encode(), answer
    assert KEY.encode() not in answer
    assert case.upstream.fullmatch(upstream), upstream
    assert b"evil" not in upstream


def test_body_shorter_than_declared_is_never_complete_upstream(place: Place) -> None:
    """The thirty-third: aborted in the middle of an upload."""
    _answer, upstream = place.send(HEAD + b"Content-Length: 9\r\n\r\n{}")
    assert len(upstream.partition(b"\r\n\r\n")[2]) < 9


def test_broken_or_empty_rules_never_open(place: Place) -> None:
    """The fortieth: an emptied list allows nothing, and a broken file after it changes nothing."""
    proxy, settings = place.proxy, dict(place.proxy.settings)
    proxy.configure(routes=[], tunnels=[])
    assert proxy.reload() == {"ok": True}
    assert b" 403 " in proxy.exchange(post("/v1/messages"))[:13]
    proxy.config.write_text("{")
    assert not proxy.reload()["ok"]
    assert b" 403 " in proxy.exchange(post("/v1/messages"))[:13]
    proxy.configure(**settings)
    assert proxy.reload() == {"ok": True}
    assert b" 200 " in proxy.exchange(post("/v1/messages"))[:13]
