# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do with a request: worked out once for all that are alike, because clients repeat themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from .decision import Decision, Forward, LocalAnswer, Tunnel
from .policy import Gate, decide, depends_on_target_alone, limits_prompts
from .prompt import check_form
from .request import RequestHead
from .settings import Policy
from .wording import allowed, asked

_KEPT: Final = 64
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything about an allowed request that its head and the rules settle; ``said`` is for the audit log.

    ``counted``: against the conversation's limits, as all but local answers are. ``reads_prompt``: what the body asks
    for decides whether it may pass. ``close``: the client wants its connection to end with the answer.
    """

    conversation: str
    head: RequestHead
    decision: Decision
    policy: Policy
    route: str
    said: str
    counted: bool
    metered: bool
    reads_prompt: bool
    close: bool


class Planner:
    """The plans of one conversation, as long as its gate stands."""

    def __init__(self, gate: Gate) -> None:
        """Begin without any."""
        self.gate = gate
        self._decisions: dict[tuple[str, str], tuple[Decision, str]] = {}
        self._plans: dict[RequestHead, Plan] = {}

    def plan(self, head: RequestHead) -> Plan:
        """Return the plan, or raise the refusal that says why there is none."""
        plan = self._plans.get(head)
        return plan if plan is not None else self._make(head)

    def _make(self, head: RequestHead) -> Plan:
        key = head.method, head.target
        known = self._decisions.get(key)
        decision, said = known if known is not None else self._decide(head)
        forward = decision if isinstance(decision, Forward) else None
        reads_prompt = forward is not None and forward.prompts and limits_prompts(forward.route, self.gate.policy)
        if reads_prompt:
            check_form(head)
        plan = Plan(
            conversation=self.gate.conversation,
            head=head,
            decision=decision,
            policy=self.gate.policy,
            route="tunnels" if isinstance(decision, Tunnel) else decision.route.name,
            said=said,
            counted=not isinstance(decision, LocalAnswer),
            metered=forward is not None and forward.metered,
            reads_prompt=reads_prompt,
            close=b"close" in head.options,
        )
        if head.short and depends_on_target_alone(decision):
            _keep(self._decisions, key, (decision, said))
            _keep(self._plans, head, plan)
        return plan

    def _decide(self, head: RequestHead) -> tuple[Decision, str]:
        decision = decide(head, self.gate)
        return decision, asked(head) + allowed(decision)


def _keep(table: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Remember, within bounds: a client that never repeats itself gains nothing and costs little."""
    if len(table) >= _KEPT:
        table.clear()
    table[key] = value
