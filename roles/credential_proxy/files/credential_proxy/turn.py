# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The books of one request: what the audit log's lines and the counters say about it."""

from __future__ import annotations

from dataclasses import dataclass

from .audit import clip
from .chain import fragment, quote
from .context import Context
from .decision import Forward
from .observation import Observer
from .plan import Plan


@dataclass(slots=True)
class Turn:
    """One allowed request, from its decision to its end; times are the reactor's, in seconds."""

    began: float
    plan: Plan
    request: int
    bytes_in: int = 0
    bytes_out: int = 0
    status: int = 0
    address: str = ""
    first_byte: float = 0.0
    tokens: dict[str, int] | None = None
    facts: dict[str, object] | None = None

    def settle(self, observer: Observer, context: Context, workspace: str, *, cut: bool) -> None:
        """Charge what the answer cost, and take over what was learned from it."""
        facts = {} if cut else observer.facts()
        self.facts = facts
        usage = observer.usage()
        decision = self.plan.decision
        if usage is None or not isinstance(decision, Forward):
            return
        if cut or not usage.tokens:
            if not self.status and not self._asked:
                return
            # Without a status, what the client got was ours.
            usage.estimate(self.bytes_in, self.bytes_out if self.status else 0)
        model = usage.model or decision.model
        limits = self.plan.policy.limits
        cost = context.ledger.charge(workspace, usage, decision.model, limits, wall=context.audit.clock())
        if model:
            facts["model"] = model
        if usage.estimated:
            facts["estimated"] = True
        route = ("route", self.plan.route)
        self.tokens = usage.counts()
        for kind, count in self.tokens.items():
            context.metrics.add("tokens_total", (route, ("kind", kind)), count)
        if cost:
            facts["cost"] = round(cost, 6)
            context.metrics.add("cost_total", (route,), cost)

    @property
    def _asked(self) -> bool:
        """Tell whether the upstream has the whole request: it has an address once it was reached."""
        head = self.plan.head
        return self.address != "" and (head.chunked or self.bytes_in >= head.length)

    def ended(self, now: float, verdict: str, rule: str, detail: str) -> str:
        """Return what the line of the end says, as a fragment."""
        line = f',"request":{self.request},"verdict":"{verdict}"'
        if rule:
            line += f',"rule":"{rule}"'
        if detail:
            line += f',"detail":{quote(clip(detail))}'
        line += f',"status":{self.status},"bytes_in":{self.bytes_in},"bytes_out":{self.bytes_out}'
        if self.address:
            line += f',"upstream":"{self.address}"'
        if self.facts:
            line += fragment(self.facts)
        if self.tokens is not None:
            line += f',"tokens":{{{fragment(self.tokens)[1:]}}}'
        if self.first_byte:
            line += f',"first_byte_ms":{(self.first_byte - self.began) * 1000:.1f}'
        return f'{line},"duration_ms":{(now - self.began) * 1000:.1f}'

    def count(self, context: Context, verdict: str, rule: str) -> None:
        """Add the request to the counters."""
        tally = context.metrics.tally(self.plan.route, verdict, self.status)
        tally.requests += 1
        tally.bytes_in += self.bytes_in
        tally.bytes_out += self.bytes_out
        tally.seconds += context.reactor.now - self.began
        if rule:
            context.metrics.add("refusals_total", (("rule", rule),))
