# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control protocol: one JSON line in, one JSON line out. Names of conversations are checked here, for everybody."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

# 48 characters: the socket's whole path must fit into 107 bytes.
_CONVERSATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
_OPERATIONS: Final = {
    "open": frozenset({"op", "conversation"}),
    "close": frozenset({"op", "conversation"}),
    "revoke": frozenset({"op", "conversation"}),
    "environment": frozenset({"op", "conversation"}),
    "list": frozenset({"op"}),
    "health": frozenset({"op"}),
    "reload": frozenset({"op", "credentials"}),
}
_OPTIONS: Final = {"open": frozenset({"policy"})}


class ControlError(Exception):
    """The order cannot be carried out; the text goes back to the caller."""


@dataclass(frozen=True, slots=True)
class Order:
    """One checked order."""

    operation: str
    conversation: str
    policy: object = None
    credentials: dict[str, bytes] = field(default_factory=dict)


def is_conversation(name: object) -> bool:
    """Tell whether this is the name of a conversation."""
    return isinstance(name, str) and _CONVERSATION.fullmatch(name) is not None


def parse(line: bytes) -> Order:
    """Read one order."""
    try:
        data = json.loads(line)
    except ValueError as error:
        raise ControlError(f"cannot read the order: {error}; send one JSON object on one line") from error
    operation = data.get("op") if isinstance(data, dict) else None
    if not isinstance(operation, str) or operation not in _OPERATIONS:
        raise ControlError(f"cannot read the order: 'op' must be one of {', '.join(_OPERATIONS)}")
    wanted, options = _OPERATIONS[operation], _OPTIONS.get(operation, frozenset())
    if not wanted <= set(data) <= wanted | options:
        also = f", and may have {', '.join(sorted(options))}" if options else ""
        raise ControlError(
            f"cannot {operation}: the order must have exactly the keys {', '.join(sorted(wanted))}{also}"
        )
    name = data.get("conversation", "")
    if "conversation" in wanted and not is_conversation(name):
        raise ControlError(f"cannot {operation} the conversation: its name must match {_CONVERSATION.pattern}")
    return Order(operation, name, data.get("policy"), _credentials(data.get("credentials", {})))


def _credentials(data: object) -> dict[str, bytes]:
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise ControlError("cannot reload: 'credentials' must be an object of texts")
    return {name: value.encode() for name, value in data.items()}


def success(**facts: Any) -> bytes:
    """Write a reply."""
    return json.dumps({"ok": True, **facts}).encode() + b"\n"


def failure(cause: str) -> bytes:
    """Write a reply that says what is wrong."""
    return json.dumps({"ok": False, "error": cause}).encode() + b"\n"
