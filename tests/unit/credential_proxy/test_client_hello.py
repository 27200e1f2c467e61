# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of TLS hellos: real ones are read, however they are cut; whatever could hide another name is refused."""

from __future__ import annotations

import ssl
import struct

import pytest
from credential_proxy.refusals import Refusal
from credential_proxy.tunnels.client_hello import MAXIMUM, server_name
from hypothesis import given
from hypothesis import strategies as st


def real_hello(name: str | None) -> bytes:
    """Return what OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


def vector(width: int, data: bytes) -> bytes:
    """Write a length and its bytes."""
    return len(data).to_bytes(width, "big") + data


def extension(kind: int, content: bytes) -> bytes:
    """Write one extension."""
    return struct.pack("!H", kind) + vector(2, content)


def sni(*names: bytes, kind: int = 0) -> bytes:
    """Write the extension with server names."""
    return extension(0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names)))


def hello(extensions: bytes, *, record: int = 16384) -> bytes:
    """Write a hello with these extensions, in records of this size."""
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0") + vector(2, extensions)
    message = b"\x01" + vector(3, body)
    pieces = [message[at : at + record] for at in range(0, len(message), record)]
    return b"".join(b"\x16\x03\x01" + vector(2, piece) for piece in pieces)


def rule_of(data: bytes) -> str:
    """Return the rule that refuses these bytes."""
    with pytest.raises(Refusal) as caught:
        server_name(data)
    return caught.value.rule


def test_real_hello_at_every_cut() -> None:
    data = real_hello("Git.Test")
    assert server_name(data) == "git.test"
    for end in range(len(data)):
        assert server_name(data[:end]) is None


@pytest.mark.parametrize("record", [2, 5, 100])
def test_over_many_records(record: int) -> None:
    assert server_name(hello(sni(b"git.test"), record=record)) == "git.test"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"SSH-2.0-x\r\n", "tunnel-not-tls"),
        (b"GET / HTTP/1.1\r\n\r\n", "tunnel-not-tls"),
        (bytes(10), "tunnel-not-tls"),
        (b"\x16\x02\x00\x00\x05hello", "tunnel-not-tls"),
        (b"\x16\x03\x01\x00\x00", "tunnel-not-tls"),
        (b"\x17" + hello(sni(b"git.test"))[1:], "tunnel-not-tls"),
        (b"\x16\x03\x01\x00\x04\x02\0\0\0", "tunnel-not-tls"),
        (hello(b""), "tunnel-name"),
        (hello(sni()), "tunnel-hello"),
        (hello(sni(b"git.test", b"evil.test")), "tunnel-name"),
        (hello(sni(b"git.test", kind=1)), "tunnel-name"),
        (hello(sni(b"g\xefit.test")), "tunnel-name"),
        (hello(sni(b"git.test") + sni(b"evil.test")), "tunnel-hello"),
        (hello(sni(b"git.test") + extension(0xFE0D, b"x")), "tunnel-hidden-name"),
        (hello(sni(b"git.test") + extension(0xFFCE, b"x")), "tunnel-hidden-name"),
        (hello(sni(b"git.test") + b"\0"), "tunnel-hello"),
        (hello(sni(b"git.test") + extension(21, bytes(MAXIMUM)), record=9000), "tunnel-hello"),
        (b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + bytes(20000), "tunnel-hello"),
    ],
)
def test_refused(data: bytes, rule: str) -> None:
    assert rule_of(data) == rule


def test_more_records_than_any_client_needs() -> None:
    """Refused at once: each of them would be read anew with every byte that follows."""
    data = hello(sni(b"git.test"), record=1)
    assert rule_of(data) == "tunnel-hello"
    assert rule_of(data[: 33 * 6]) == "tunnel-hello"
    assert server_name(data[: 32 * 6]) is None


def test_no_name_at_all() -> None:
    assert rule_of(real_hello(None)) == "tunnel-name"


@given(st.binary(max_size=300), st.integers(0, 600))
def test_any_bytes_give_a_name_a_wait_or_a_refusal(noise: bytes, at: int) -> None:
    good = hello(sni(b"git.test"))
    for data in (noise, good[:at] + noise, good[:at] + noise + good[at + len(noise) :]):
        try:
            name = server_name(data)
        except Refusal as refusal:
            assert refusal.rule.startswith("tunnel-")
        else:
            assert name is None or name.isascii()
