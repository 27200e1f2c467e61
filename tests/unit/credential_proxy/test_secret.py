# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret does not show itself; the scanner finds it in any split of a stream and delays nothing else."""

from __future__ import annotations

import base64
import pickle

import pytest
from credential_proxy.refusals import Refusal
from credential_proxy.secret import EchoScanner, Secret, needles
from hypothesis import given
from hypothesis import strategies as st

VALUE = b"aabaabaaabaabaac"


def test_it_does_not_show_itself() -> None:
    secret = Secret(VALUE)
    assert {repr(secret), str(secret), f"{secret}", f"{secret!r:>3}", "%s" % secret} == {"***"}  # noqa: UP031
    assert VALUE.decode() not in repr([secret, {"k": secret}])
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "value",
    [b"", b"short", b"sixteen characters", b"a" * 15, b"0123456789abcde\x7f", b"a" * 16 + b"\r\nX: y", b"a" * 5000],
)
def test_values_that_cannot_be_a_header(value: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 4096"):
        Secret(value)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_line_end_of_the_file_is_taken_off(end: bytes) -> None:
    assert Secret(VALUE + end).reveal() == VALUE


def test_what_is_looked_for_is_what_is_sent() -> None:
    for value in (VALUE, VALUE + b"1", VALUE + b"12"):
        assert needles(Secret(value), "bearer") == (value,)
        found = needles(Secret(value), "basic")
        for echo in (value, base64.b64encode(value), base64.b64encode(value).rstrip(b"=")):
            with pytest.raises(Refusal):
                EchoScanner(found).feed(b'{"you sent": "' + echo + b'"}')
    assert needles(None, "none") == ()


@given(st.binary(max_size=30), st.binary(max_size=30), st.integers(1, 20))
def test_found_in_any_split(before: bytes, after: bytes, step: int) -> None:
    scanner, data, out = EchoScanner((VALUE,)), before + VALUE + after, b""
    with pytest.raises(Refusal):
        for at in range(0, len(data), step):
            out += scanner.feed(data[at : at + step])
    assert VALUE not in out
    assert data.startswith(out)


@given(st.lists(st.text("ab\n", max_size=12), max_size=12))
def test_everything_else_passes_in_order(pieces: list[str]) -> None:
    scanner, out = EchoScanner((VALUE,)), b""
    for piece in pieces:
        out += scanner.feed(piece.encode())
        if piece.endswith("\n"):
            assert out == "".join(pieces)[: len(out)].encode()
            assert out.endswith(b"\n")
    assert out + scanner.flush() == "".join(pieces).encode()
