# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Why did this conversation stop or suffer? Joins the kernel's and the proxy's accounts to typed events. Pure.

Each event has a type, a count, the time of the last one where it is known, and the evidence in words. A denial by
AppArmor or seccomp names only a process: it is a conversation's when the process still runs in it, or when no other
conversation ran at that time. Otherwise nobody can tell, and it is told for the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .audit_log import Requests
from .expiry import seconds
from .facts import Quota
from .kernel_log import KernelEvent

TYPES = (
    "oom",
    "pids_max",
    "disk_full",
    "cpu_throttled",
    "seccomp_denied",
    "apparmor_denied",
    "egress_denied",
)
# XFS refuses a write that does not fit, so a full volume may have some blocks left.
_FULL_SHARE = 0.99
_Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is known of one conversation. Times are seconds since 1970."""

    conversation_id: str
    container: Mapping[str, Any]
    pids: frozenset[int] = frozenset()
    counters: Mapping[str, int] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    full: tuple[str, ...] = ()
    requests: Requests | None = None

    @property
    def ran(self) -> tuple[float, float]:
        """From when to when the container ran last."""
        state = self.container["State"]
        begun = seconds(state.get("StartedAt", "")) or float("inf")
        ended = float("inf") if state.get("Running") else seconds(state.get("FinishedAt", "")) or 0.0
        return begun, ended


def events(account: Account, told: Sequence[KernelEvent], others: Iterable[Account] = ()) -> list[_Event]:
    """The events of one conversation, in the order of TYPES."""
    found = {event["type"]: event for event in _from_logs(account, told, others)}
    for event in _from_counters(account):
        # The counter knows how often, the log knows when.
        logged = found.get(event["type"], event)
        found[event["type"]] = {**event, "last": event["last"] or logged["last"]}
    return [found[name] for name in TYPES if name in found]


def unattributed(accounts: Sequence[Account], told: Sequence[KernelEvent]) -> list[_Event]:
    """The denials that no single conversation can be named for."""
    rest = [
        entry
        for entry in told
        if entry.pid
        and not any(
            _belongs(entry, account, [other for other in accounts if other is not account]) for account in accounts
        )
    ]
    return _grouped(rest)


def _from_counters(account: Account) -> Iterable[_Event]:
    """From the kernel's counters, which are exact as long as the container runs."""
    counters = account.counters
    if kills := counters.get("memory.events oom_kill", 0):
        yield _event("oom", kills, f"memory.events oom_kill {kills}")
    elif account.container["State"].get("OOMKilled"):
        yield _event("oom", 1, "Docker saw an out-of-memory kill", seconds(account.container["State"]["FinishedAt"]))
    if refused := counters.get("pids.events max", 0):
        yield _event("pids_max", refused, f"pids.events max {refused}")
    full = [
        f"{target} has {quota.used} of {quota.limit} bytes"
        for target, quota in sorted(account.quotas.items())
        if quota.limit and quota.used >= quota.limit * _FULL_SHARE
    ]
    if full or account.full:
        yield _event("disk_full", len(full) + len(account.full), "; ".join([*full, *account.full]))
    if throttled := counters.get("cpu.stat nr_throttled", 0):
        spent = counters.get("cpu.stat throttled_usec", 0) / 1e6
        yield _event("cpu_throttled", throttled, f"cpu.stat nr_throttled {throttled}, {spent:.1f} s in all")
    if account.requests and account.requests.denied:
        seen = account.requests
        told = f"the proxy refused {seen.denied} requests, the last by rule {seen.last_rule}"
        yield _event("egress_denied", seen.denied, told, seen.last_denied)


def _from_logs(account: Account, told: Sequence[KernelEvent], others: Iterable[Account]) -> list[_Event]:
    rest = list(others)
    return _grouped([entry for entry in told if _belongs(entry, account, rest)])


def _belongs(entry: KernelEvent, account: Account, others: Sequence[Account]) -> bool:
    if entry.container:
        return bool(entry.container == account.container["Id"])
    if entry.pid in account.pids:
        return True
    if any(entry.pid in other.pids for other in others) or not _during(entry, account):
        return False
    return not any(_during(entry, other) for other in others)


def _during(entry: KernelEvent, account: Account) -> bool:
    begun, ended = account.ran
    return begun <= entry.at <= ended


def _grouped(entries: Sequence[KernelEvent]) -> list[_Event]:
    found = []
    for name in dict.fromkeys(entry.type for entry in entries):
        same = [entry for entry in entries if entry.type == name]
        found.append(_event(name, len(same), f"the last: {same[-1].told}", same[-1].at or None))
    return found


def _event(name: str, count: int, evidence: str, at: float | None = None) -> _Event:
    stamp = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds") if at else None
    return {"type": name, "count": count, "last": stamp, "evidence": evidence}
