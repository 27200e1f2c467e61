# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds the pure parts of the proxy with mutated input; anything but an answer or a refusal is a failure.

    fuzz.py TARGET SECONDS [SEED]

Targets: request (parser, policy and the head that would go upstream), prompt (what it has the provider do), answer (the
relay), hello (tunnels), page (indexes). What leaves the parser is read again with rules of our own. A failure prints
the input and the seed.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "roles/credential_proxy/files"))

from credential_proxy.apis.packages import Mirror  # noqa: E402  (the path comes first)
from credential_proxy.decision import Forward  # noqa: E402
from credential_proxy.injection import upstream_head  # noqa: E402
from credential_proxy.mirrors import npm, simple  # noqa: E402
from credential_proxy.plan import Planner  # noqa: E402
from credential_proxy.policy import Gate, decide  # noqa: E402
from credential_proxy.prompt import read_prompt  # noqa: E402
from credential_proxy.reach import Wishes  # noqa: E402
from credential_proxy.refusals import Refusal  # noqa: E402
from credential_proxy.request import RequestHead, RequestReader  # noqa: E402
from credential_proxy.response import ResponseRelay  # noqa: E402
from credential_proxy.secret import Secret  # noqa: E402
from credential_proxy.settings import PackageRules, Route, TunnelHost  # noqa: E402
from credential_proxy.tunnels.client_hello import server_name  # noqa: E402
from credential_proxy.wording import allowed, asked  # noqa: E402

SECRET = b"sk-ant-the-real-secret-0123"
RULES = PackageRules(deny=("evil*",))
ROUTES = (
    Route("a", "anthropic", "/", "api.test", credential="k"),
    Route("b", "bedrock", "/bedrock/", "b.test", credential="k", auth="bearer", region="eu-central-1"),
    Route("p", "pypi", "/pypi/", "index.test", auth="none", packages=RULES),
    Route("f", "pypi_files", "/pypi-files/", "files.test", auth="none", packages=RULES),
    Route("n", "npm", "/npm/", "registry.test", auth="none", packages=RULES),
)
GATE = Gate("demo", ROUTES, (TunnelHost("git.test", None),), mirror=Mirror(ROUTES, "http://x"))
PLANNER = Planner(GATE)
TARGETS = re.compile(
    rb"(?:POST /v1/messages(?:/count_tokens)?|GET /v1/models)(?:\?beta=true)?|POST /model/[A-Za-z0-9._:%-]+/[a-z-]+"
    rb"|(?:GET|HEAD) /[A-Za-z0-9@._~%+!/-]+"
)
FIELD = re.compile(rb"[!#$%&'*+.^`|~0-9a-z-]+: [\x20-\x7e\x80-\xff\t]*")
HEAD = b"Host: localhost\r\nx-api-key: mine\r\nContent-Length: 5\r\naccept: */*\r\n\r\nhello"
SEEDS = {
    "request": [
        b"POST /v1/messages HTTP/1.1\r\n" + HEAD,
        b"POST /bedrock/model/anthropic.claude-v1%3A0/converse HTTP/1.1\r\n" + HEAD,
        b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
        b"GET /pypi/simple/six/ HTTP/1.1\r\nHost: a\r\n\r\nGET /npm/@a%2fb HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /pypi-files/packages/six-1.0.tar.gz HTTP/1.1\r\nHost: a\r\nConnection: x-api-key, close\r\n\r\n",
        b"CONNECT git.test:443 HTTP/1.1\r\nHost: git.test:443\r\n\r\n",
    ],
    "prompt": [
        json.dumps(prompt).encode()
        for prompt in (
            {
                "model": "m",
                "mcp_servers": [{"type": "url", "url": "https://a.test/", "name": "x"}],
                "fallbacks": "default",
            },
            {"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": "https://a.test/"}}]}]},
            {"tools": [{"name": "t", "input_schema": {"type": "url"}}, {"type": "web_search_20250305", "name": "w"}]},
            {"messages": [{"content": [{"type": "tool_use", "input": {"type": "url", "source": {"url": "x"}}}]}]},
            {
                "messages": [
                    {"content": [{"document": {"source": {"s3Location": {"uri": "s3://b/k"}}}}, {"text": "h\u00e9"}]}
                ]
            },
        )
    ],
    "answer": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nConnection: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nendless " + SECRET,
    ],
    "hello": [
        b"\x16\x03\x01\x00\x44\x01\x00\x00\x40\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00\x00\x15"
        b"\x00\x00\x00\x0d\x00\x0b\x00\x00\x08git.test\x00\x17\x00\x00"
    ],
    "page": [
        json.dumps(
            {"files": [{"filename": "a-1.tar.gz", "url": "https://files.test/a-1.tar.gz", "hashes": {}}]}
        ).encode(),
        b'<a href="https://files.test/a-1.tar.gz#sha256=x" data-yanked>a-1.tar.gz</a>',
        b'{"versions": {"1.0.0": {"dist": {"tarball": "https://registry.test/a/-/a-1.0.0.tgz"}}}, "time": {}}',
    ],
}
TOKENS = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"%2f",
        b"%00",
        b"..",
        b"//",
        b"\x7f",
        b"\xff",
        b"+5",
    ),
    *(b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"content_length: 1\r\n", b"Host: b\r\n"),
    *(b"0\r\n\r\n", b"ffffffff", b"HTTP/1.0", b"\x16\x03\x01", b"[[[[", b'"', b"null", b"\xe2\x80\xa8", b"9" * 30),
    *(
        b'{"',
        b'"}',
        b'":',
        b'","',
        b"[{",
        b"}]",
        b"\\u0075",
        b"\xc3\xa9",
        b'"type":"url"',
        b'"input":',
        b'"mcp_servers":["x"]',
    ),
)


def mutated(data: bytes, choose: random.Random) -> bytes:
    """Change a few places."""
    out = bytearray(data)
    for _ in range(choose.randrange(1, 6)):
        at, length = choose.randrange(len(out) + 1), choose.randrange(12)
        kind = choose.randrange(5)
        if kind == 0:
            out[at:at] = choose.choice(TOKENS)
        elif kind == 1:
            del out[at : at + length]
        elif kind == 2:
            out[at : at + 1] = choose.randbytes(1)
        elif kind == 3:
            out[at:at] = out[at : at + length * 5]
        else:
            out[at : at + length] = choose.choice(TOKENS)
    return bytes(out)


def pieces(data: bytes, choose: random.Random) -> list[bytes]:
    """Cut the input as a network might."""
    step = choose.choice((1, 3, 40, 100000))
    return [data[at : at + step] for at in range(0, len(data), step)]


def request(data: bytes, choose: random.Random) -> None:
    """Parse, decide, and read what would go upstream; what is remembered must be what would be decided now."""
    reader = RequestReader()
    for piece in pieces(data, choose):
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            if isinstance(event, RequestHead):
                plan = PLANNER.plan(event)
                assert plan.said == asked(event) + allowed(decide(event, GATE)), event
                decision = plan.decision
                if isinstance(decision, Forward):
                    _check_head(upstream_head(event, decision, Secret(SECRET), length=0, payload_sha256="", when=0.0))


def _check_head(head: bytes) -> None:
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert TARGETS.fullmatch(first.removesuffix(b" HTTP/1.1")), first
    assert b"/../" not in first, first
    assert all(FIELD.fullmatch(line) for line in lines), head
    names = [line.partition(b":")[0] for line in lines]
    assert names.count(b"host") == 1, head
    assert sum(SECRET in line for line in lines) == 1, head
    assert names.count(b"content-length") == first.startswith(b"POST"), head
    assert not {b"transfer-encoding", b"connection", b"cookie", b"upgrade", b"te"} & set(names), head


def answer(data: bytes, choose: random.Random) -> None:
    """Relay, and look for the secret in what the client gets."""
    relay, out = ResponseRelay(method="POST", needles=(SECRET,), close=False), b""
    for piece in pieces(data, choose):
        out += relay.feed(piece)
        assert SECRET not in out, out
    relay.end()


def prompt(data: bytes, _choose: random.Random) -> None:
    """Look at a prompt; written anew by another, with each letter escaped, it asks for no more than was seen."""
    seen = Wishes(read_prompt(data))
    document = json.loads(data)
    for written in (json.dumps(document), _escaped(document)):
        wishes = Wishes(read_prompt(written.encode()))
        assert wishes.reach <= seen.reach, (wishes.reach, seen.reach)
        # Names outside ASCII are on no list.
        assert {name for name in wishes.models if name.isascii()} <= seen.models, (wishes.models, seen.models)


def _escaped(value: object) -> str:
    """Write JSON with every letter of every text as an escape."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_escaped(key)}:{_escaped(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_escaped, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\u{ord(letter):04x}" for letter in value if ord(letter) < 0x10000) + '"'
    return json.dumps(value)


def hello(data: bytes, _choose: random.Random) -> None:
    """Read a name."""
    name = server_name(data)
    assert name is None or (name.isascii() and name == name.lower()), name


def page(data: bytes, choose: random.Random) -> None:
    """Rewrite a page; what comes out must be one again."""
    kind = choose.choice((simple.JSON_TYPE, simple.HTML_TYPE))
    read = simple.read(kind, data, "https://index.test/simple/a/", "a")
    for as_json in (True, False):
        written, body = simple.write(read, as_json=as_json)
        again = simple.read(written, body, "https://index.test/simple/a/", "a")
        assert len(again.files) == len(read.files), body
    npm.rewrite(data, lambda path, _time: path, "http://127.0.0.1:9080/npm")


ACTS: dict[str, Callable[[bytes, random.Random], None]] = {
    "request": request,
    "prompt": prompt,
    "answer": answer,
    "hello": hello,
    "page": page,
}


def main(target: str, seconds: float, seed: int) -> int:
    """Mutate until the time is over; return 1 after the first failure."""
    choose = random.Random(seed)  # noqa: S311
    end, count, refused = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        data = mutated(choose.choice(SEEDS[target]), choose)
        count += 1
        try:
            ACTS[target](data, choose)
        except Refusal:
            refused += 1
        except Exception as error:
            print(f"{target}: {type(error).__name__}: {error}; seed {seed}, input {data!r}", file=sys.stderr)
            return 1
    print(f"{target}: {count} inputs, {refused} refused, no failure (seed {seed})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else time.time_ns() % 2**32))
