# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked for: a default-deny table of methods and raw paths; nothing is decoded or normalised."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from .apis import anthropic, bedrock, packages
from .decision import Decision, Forward, LocalAnswer, Tunnel
from .model_choice import model_of
from .prompt import read_prompt
from .reach import Wishes
from .refusals import Refusal
from .request import RequestHead
from .settings import REACHES, Policy, Route, TunnelHost, matches

METHODS: Final = ("GET", "HEAD", "POST")
_Api = Callable[[str, str, str, str, Route], Forward | LocalAnswer]
_APIS: Final[dict[str, _Api]] = {
    "anthropic": anthropic.decide,
    "bedrock": bedrock.decide_runtime,
    "bedrock_control": bedrock.decide_control,
}
_AUTHORITY: Final = re.compile(r"([A-Za-z0-9.-]{1,254}):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything that a decision about one conversation's requests depends on."""

    conversation: str
    routes: tuple[Route, ...]
    tunnels: tuple[TunnelHost, ...] = ()
    policy: Policy = field(default_factory=Policy)
    mirror: packages.Mirror = field(default_factory=packages.Mirror)


def decide(head: RequestHead, gate: Gate) -> Decision:
    """Allow one request, or raise the refusal that says why not."""
    if head.method == "CONNECT":
        return _tunnel(head.target, gate)
    if head.method not in METHODS:
        index = any(route.kind in packages.KINDS for route in _nearest(head.target, gate))
        raise Refusal("read-only" if index else "method", allow=", ".join(METHODS[:2] if index else METHODS))
    if not head.target.startswith("/"):
        raise Refusal("target-form")
    path, mark, query = head.target.partition("?")
    refused = Refusal("path")
    for route in _routes_of(path, gate):
        inner = path[len(route.prefix) - 1 :]
        try:
            decision = _ask_api(head, inner, mark, query, route, gate)
        except Refusal as refusal:
            # Two routes with one prefix have different paths: the other one may know this path.
            refused = refusal if refused.rule == "path" else refused
            continue
        if isinstance(decision, Forward) and decision.model:
            check_model(decision.model, decision.route, gate.policy)
        return decision
    raise refused


def depends_on_target_alone(decision: Decision) -> bool:
    """Tell whether the same method and target would be decided in the same way again."""
    return not isinstance(decision, Tunnel) and decision.route.kind in _APIS


def check_model(model: str, route: Route, policy: Policy) -> None:
    """Compare a model's name with the lists of the route and of the conversation."""
    for patterns in (route.models or None, policy.models):
        if patterns is not None and not matches(model, patterns):
            raise Refusal("model", detail=model[:120])


def limits_prompts(route: Route, policy: Policy) -> bool:
    """Tell whether a prompt has to be looked at, as it has unless all that it could ask for is allowed."""
    return _limits_models(route, policy) or not set(REACHES) <= set(route.provider_reach)


def _limits_models(route: Route, policy: Policy) -> bool:
    return bool(route.models) or policy.models is not None


def check_prompt(body: bytes | bytearray, forward: Forward, policy: Policy) -> None:
    """Look at a prompt before it leaves: at what it has the provider do, and at each model that it names."""
    route = forward.route
    prompt = read_prompt(body)
    wishes = Wishes(prompt)
    if wishes.reach.difference(route.provider_reach):
        first = next(name for name in REACHES if name in wishes.reach and name not in route.provider_reach)
        raise Refusal(f"reach-{first}")
    if _limits_models(route, policy):
        for model in (*([model_of(prompt)] if forward.asks_model else []), *sorted(wishes.models)):
            check_model(model, route, policy)


def _ask_api(head: RequestHead, path: str, mark: str, query: str, route: Route, gate: Gate) -> Forward | LocalAnswer:
    api = _APIS.get(route.kind)
    if api is not None:
        return api(head.method, path, mark, query, route)
    return packages.decide(head, path, mark, route, gate.mirror, gate.conversation)


def _routes_of(path: str, gate: Gate) -> list[Route]:
    """Find the routes with the longest matching prefix, less those that the conversation may not use."""
    nearest = _nearest(path, gate)
    allowed = gate.policy.routes
    if allowed is None:
        return nearest
    permitted = [route for route in nearest if route.name in allowed]
    if nearest and not permitted:
        raise Refusal("route")
    return permitted


def _nearest(path: str, gate: Gate) -> list[Route]:
    matching = [route for route in gate.routes if path.startswith(route.prefix)]
    longest = max((len(route.prefix) for route in matching), default=0)
    return [route for route in matching if len(route.prefix) == longest]


def _tunnel(target: str, gate: Gate) -> Tunnel:
    """Allow a tunnel to a listed host; its canonical name decides, is logged and is dialled."""
    match = _AUTHORITY.fullmatch(target)
    if match is None:
        raise Refusal("connect-target")
    name = match[1].lower().removesuffix(".")
    if match[2] != "443":
        raise Refusal("connect-port")
    allowed = gate.policy.routes
    for host in gate.tunnels:
        if host.host == name and (allowed is None or "tunnels" in allowed):
            return Tunnel(host)
    raise Refusal("connect")
