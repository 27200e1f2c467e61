# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked for: a default-deny table of methods and raw paths; nothing is decoded or normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .config import Route
from .refusals import Refusal
from .request import RequestHead

METHODS: Final = ("GET", "HEAD", "POST")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One allowed request of an API."""

    method: str
    path: str
    queries: frozenset[str]
    local: bool = False


_BETA: Final = frozenset({"beta=true"})

# Files, batches, organisations and everything else of the API are missing on purpose: /v1/files is a way to carry data
# out to somebody else's account.
ENDPOINTS: Final[dict[str, tuple[Endpoint, ...]]] = {
    "anthropic": (
        Endpoint("POST", "/v1/messages", _BETA),
        Endpoint("POST", "/v1/messages/count_tokens", _BETA),
        Endpoint("GET", "/v1/models", _BETA),
        Endpoint("HEAD", "/api/hello", frozenset(), local=True),
    ),
}


@dataclass(frozen=True, slots=True)
class Forward:
    """Send this to the route's upstream."""

    route: Route
    target: str


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """Answer 200 without an upstream: a client's question whether anybody is there."""

    route: Route


def decide(head: RequestHead, routes: tuple[Route, ...]) -> Forward | LocalAnswer:
    """Allow one request, or raise the refusal that says why not."""
    if head.method == "CONNECT":
        raise Refusal("connect")
    if head.method not in METHODS:
        raise Refusal("method", allow=", ".join(METHODS))
    if not head.target.startswith("/"):
        raise Refusal("target-form")
    path, mark, query = head.target.partition("?")
    route = _route_of(path, routes)
    inner = path[len(route.prefix) - 1 :]
    endpoints = [endpoint for endpoint in ENDPOINTS[route.kind] if endpoint.path == inner]
    if not endpoints:
        raise Refusal("path")
    for endpoint in endpoints:
        if endpoint.method == head.method:
            if mark and query not in endpoint.queries:
                raise Refusal("query")
            return LocalAnswer(route) if endpoint.local else Forward(route, inner + mark + query)
    raise Refusal("method", allow=", ".join(endpoint.method for endpoint in endpoints))


def _route_of(path: str, routes: tuple[Route, ...]) -> Route:
    """Find the route with the longest matching prefix."""
    matching = [route for route in routes if path.startswith(route.prefix)]
    if not matching:
        raise Refusal("path")
    return max(matching, key=lambda route: len(route.prefix))
