# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control protocol's orders: exact keys, exact names."""

from __future__ import annotations

import json

import pytest
from credential_proxy.control import ControlError, Order, failure, is_conversation, parse, success


@pytest.mark.parametrize("name", ["a", "A1", "demo", "0-_x", "a" * 48])
def test_names(name: str) -> None:
    assert is_conversation(name)
    assert parse(json.dumps({"op": "open", "conversation": name}).encode()) == Order("open", name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "-a", "_a", "a" * 49, "a.b", "a\n", "\u00e9", "a b", "a\0", 5, None, ["a"]]
)
def test_bad_names(name: object) -> None:
    assert not is_conversation(name)
    with pytest.raises(ControlError, match="must match"):
        parse(json.dumps({"op": "close", "conversation": name}).encode())


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"",
            b"{",
            b"[]",
            b"5",
            b"{}",
            b'{"op": 5}',
            b'{"op": "stop"}',
            b'{"op": ["open"]}',
            b'{"op": "open"}',
            b"\xff",
        ),
        *(b'{"op": "list", "conversation": "a"}', b'{"op": "open", "conversation": "a", "mode": 1}'),
    ],
)
def test_bad_orders(line: bytes) -> None:
    with pytest.raises(ControlError, match="cannot"):
        parse(line)


def test_replies_are_one_line() -> None:
    assert json.loads(success(changed=True, socket="/x")) == {"ok": True, "changed": True, "socket": "/x"}
    assert json.loads(failure("a\nb")) == {"ok": False, "error": "a\nb"}
    assert failure("a\nb").count(b"\n") == 1
