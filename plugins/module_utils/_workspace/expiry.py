# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which conversations have come to their end. Pure: what was seen goes in, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import names

# A conversation that uses less than this share of one processor does not work.
WORKING_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Life:
    """What counts for the end of a conversation; times are seconds since 1970, spans are seconds."""

    created: float
    running: bool
    stopped: float | None = None
    expires_after: int | None = None
    idle_after: int | None = None
    last_work: float | None = None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at a running container noted: when, its processor time so far, and when it worked last."""

    at: float
    cpu: float
    last_work: float

    def next(self, at: float, cpu: float) -> Look:
        """The look after this one. Less processor time than before means that the container was started anew."""
        passed = at - self.at
        worked = cpu < self.cpu or (passed > 0 and (cpu - self.cpu) / passed >= WORKING_SHARE)
        return Look(at=at, cpu=cpu, last_work=at if worked else self.last_work)


def life(container: Mapping[str, Any], last_work: float | None) -> Life:
    """Reads Docker's description of a container."""
    labels = container["Config"].get("Labels") or {}
    state = container["State"]
    running = state["Status"] in {"running", "paused", "restarting"}
    return Life(
        created=seconds(container["Created"]) or 0.0,
        running=running,
        stopped=None if running else seconds(state.get("FinishedAt", "")),
        expires_after=_span(labels.get(names.EXPIRES_AFTER)),
        idle_after=_span(labels.get(names.IDLE_AFTER)),
        last_work=last_work,
    )


def reason_to_end(seen: Life, now: float) -> str:
    """Why the conversation has come to its end; empty as long as it has not."""
    if seen.expires_after is not None and now - seen.created >= seen.expires_after:
        return f"expired: created {now - seen.created:.0f} s ago, expires_after is {seen.expires_after} s"
    if seen.idle_after is None:
        return ""
    # A container that never ran is idle from its creation.
    since = seen.last_work if seen.running else (seen.stopped or seen.created)
    if since is not None and now - since >= seen.idle_after:
        return f"idle: without work for {now - since:.0f} s, idle_after is {seen.idle_after} s"
    return ""


def seconds(stamp: str) -> float | None:
    """A time as Docker writes it (RFC 3339, nanoseconds); None for the year 1, which means never."""
    if not stamp or stamp.startswith("0001-"):
        return None
    head, _point, fraction = stamp.rstrip("Z").partition(".")
    zone = "+00:00"
    for sign in "+-":
        digits, found, offset = fraction.partition(sign) if fraction else ("", "", "")
        if found:
            fraction, zone = digits, sign + offset
    if "T" in head and head[-6] in "+-":
        head, zone = head[:-6], head[-6:]
    return datetime.fromisoformat(head + zone).timestamp() + float(f"0.{fraction or 0}")


def _span(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None
