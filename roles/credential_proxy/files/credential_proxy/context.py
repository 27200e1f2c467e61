# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all connections share: the loop, the rules, the log, the ledger and the memory for held bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .apis.packages import Mirror
from .audit import AuditLog
from .flood import FloodGuard
from .limits import HELD_BYTES_EACH, HELD_BYTES_TOTAL
from .metering.ledger import Ledger
from .metrics import Metrics
from .plan import Planner
from .policy import Gate
from .reactor import Reactor
from .refusals import Refusal
from .resolver import Resolver
from .secret import AwsKeys, Credential
from .settings import Limits, Policy, Route, TunnelHost
from .upstream import Upstream


@dataclass(frozen=True, slots=True)
class Rules:
    """What a reload replaces, all at once."""

    routes: tuple[Route, ...]
    credentials: Mapping[str, Credential]
    upstreams: Mapping[str, Upstream]
    tunnels: tuple[TunnelHost, ...] = ()
    limits: Limits = field(default_factory=Limits)
    mirror: Mirror = field(default_factory=Mirror)
    parent_proxy: tuple[str, int] | None = None


@dataclass(slots=True)
class Context:
    """Handed to every connection."""

    reactor: Reactor
    resolver: Resolver
    audit: AuditLog
    rules: Rules
    ledger: Ledger
    metrics: Metrics
    policies: dict[str, Policy] = field(default_factory=dict)
    planners: dict[str, Planner] = field(default_factory=dict)
    flood: FloodGuard = field(default_factory=FloodGuard)
    chain_keys: AwsKeys | None = None
    held_bytes: int = 0
    held_by: dict[str, int] = field(default_factory=dict)
    stopping: bool = False

    def planner(self, conversation: str) -> Planner:
        """Return what plans a conversation's requests; made once for each set of rules."""
        planner = self.planners.get(conversation)
        if planner is None:
            rules, policy = self.rules, self.policies.get(conversation, Policy())
            gate = Gate(
                conversation=conversation,
                routes=rules.routes,
                tunnels=rules.tunnels,
                policy=Policy(policy.routes, policy.models, policy.limits.tightened(rules.limits)),
                mirror=rules.mirror,
            )
            planner = self.planners[conversation] = Planner(gate)
        return planner

    def set_policy(self, conversation: str, policy: Policy | None) -> None:
        """Put a conversation's own policy in force for its next request; None takes it away."""
        self.planners.pop(conversation, None)
        if policy is None:
            self.policies.pop(conversation, None)
        else:
            self.policies[conversation] = policy

    def credential(self, route: Route) -> Credential | None:
        """Return what the route injects; None for a route that injects nothing."""
        if route.uses_chain:
            if self.chain_keys is None:
                raise Refusal("no-keys")
            return self.chain_keys
        return self.rules.credentials.get(route.credential)

    def hold(self, conversation: str, count: int) -> None:
        """Take memory for bytes that must wait; refuse when the conversation has its share, or nothing is left."""
        total = self.held_bytes + count
        mine = self.held_by.get(conversation, 0) + count
        if mine > HELD_BYTES_EACH or total > HELD_BYTES_TOTAL:
            whose = "this conversation" if mine > HELD_BYTES_EACH else "all conversations"
            raise Refusal("held-bytes", detail=f"{whose} would hold too many")
        self.held_bytes = total
        self.held_by[conversation] = mine

    def give_back(self, conversation: str, count: int) -> None:
        """Give back memory that ``hold`` gave; a conversation that has none leaves no trace."""
        self.held_bytes -= count
        left = self.held_by.get(conversation, 0) - count
        if left:
            self.held_by[conversation] = left
        else:
            self.held_by.pop(conversation, None)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a unix socket, as the kernel says."""

    pid: int
    uid: int
