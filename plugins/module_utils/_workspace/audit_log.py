# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reads the credential proxy's audit log: what a conversation was refused, and when it asked last."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .expiry import seconds

AUDIT_LOG = "/var/log/credential_proxy/audit.jsonl"
# A busy host writes this much in some hours; what is older is not looked at.
_TAIL_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Requests:
    """One conversation's requests; times are seconds since 1970."""

    last: float
    denied: int = 0
    last_denied: float | None = None
    last_rule: str = ""


def read_requests(path: str = AUDIT_LOG) -> dict[str, Requests]:
    """What the end of the log says, by conversation; nothing on a host without the log."""
    try:
        with Path(path).open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _TAIL_BYTES))
            return count(stream.read().splitlines())
    except OSError:
        return {}


def count(lines: Iterable[bytes]) -> dict[str, Requests]:
    """Counts the lines of the log; one that is torn or of another kind is left out."""
    found: dict[str, Requests] = {}
    for line in lines:
        # Most lines are of no interest, and parsing is the cost.
        if b'"decision"' not in line:
            continue
        try:
            record = json.loads(line)
            conversation, at = str(record["workspace"]), seconds(record["ts"])
        except (ValueError, KeyError, TypeError):
            continue
        if record.get("event") != "decision" or at is None:
            continue
        known = found.get(conversation, Requests(last=at))
        if record.get("verdict") == "deny":
            known = Requests(
                last=at, denied=known.denied + 1, last_denied=at, last_rule=str(record.get("rule", "unknown"))
            )
        else:
            known = Requests(last=at, denied=known.denied, last_denied=known.last_denied, last_rule=known.last_rule)
        found[conversation] = known
    return found
