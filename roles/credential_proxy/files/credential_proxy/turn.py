# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The books of one request: what the audit log's lines and the counters say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from .context import Context
from .decision import Decision, Forward, Tunnel
from .observation import Observer
from .request import RequestHead


@lru_cache(maxsize=1024)
def _labels(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(labels.items())


@dataclass(slots=True)
class Turn:
    """One allowed request, from its decision to its end; times are the reactor's, in seconds."""

    began: float
    head: RequestHead
    decision: Decision
    admitted: bool
    request: int = 0
    close: bool = False
    bytes_in: int = 0
    bytes_out: int = 0
    status: int = 0
    address: str = ""
    first_byte: float | None = None
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def route(self) -> str:
        """Return the name of the route."""
        return "tunnels" if isinstance(self.decision, Tunnel) else self.decision.route.name

    def decided(self) -> dict[str, object]:
        """Return what the line of the decision says."""
        decision = self.decision
        facts: dict[str, object] = {"route": self.route}
        if isinstance(decision, Forward):
            if decision.model:
                facts["model"] = decision.model[:128]
            facts.update(decision.facts)
        elif isinstance(decision, Tunnel):
            facts["host"] = decision.host.host
        return facts

    def settle(self, observer: Observer, context: Context, workspace: str, *, cut: bool) -> None:
        """Charge what the answer cost, and take over what was learned from it."""
        if not cut:
            self.facts.update(observer.facts())
        usage = observer.usage()
        if usage is None or not isinstance(self.decision, Forward):
            return
        if cut:
            usage.estimate(self.bytes_in, self.bytes_out)
        model = usage.model or self.decision.model
        cost = context.ledger.charge(workspace, usage, self.decision.model, wall=context.audit.clock())
        tokens = {
            name: value for name in ("input", "output", "cache_read", "cache_write") if (value := getattr(usage, name))
        }
        if model:
            self.facts["model"] = model
        self.facts["tokens"] = tokens
        if usage.estimated:
            self.facts["estimated"] = True
        if cost:
            self.facts["cost"] = round(cost, 6)
        for kind, count in tokens.items():
            context.metrics.add("tokens_total", (("route", self.route), ("kind", kind)), count)
        context.metrics.add("cost_total", (("route", self.route),), cost)

    def ended(self, now: float, verdict: str, rule: str, detail: str) -> dict[str, object]:
        """Return what the line of the end says."""
        facts: dict[str, object] = {"request": self.request, "verdict": verdict}
        if rule:
            facts["rule"] = rule
        if detail:
            facts["detail"] = detail
        facts["status"] = self.status
        facts["bytes_in"] = self.bytes_in
        facts["bytes_out"] = self.bytes_out
        if self.address:
            facts["upstream"] = self.address
        facts.update(self.facts)
        if self.first_byte is not None:
            facts["first_byte_ms"] = round((self.first_byte - self.began) * 1000, 1)
        facts["duration_ms"] = round((now - self.began) * 1000, 1)
        return facts

    def count(self, context: Context, verdict: str, rule: str) -> None:
        """Add the request to the counters."""
        metrics, route = context.metrics, self.route
        metrics.add("requests_total", _labels(route=route, verdict=verdict, status=str(self.status)))
        metrics.add("bytes_total", _labels(route=route, direction="in"), self.bytes_in)
        metrics.add("bytes_total", _labels(route=route, direction="out"), self.bytes_out)
        metrics.add("seconds_total", _labels(route=route), context.reactor.now - self.began)
        if rule:
            metrics.add("refusals_total", (("rule", rule),))
