# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy can decide about a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .settings import Route, TunnelHost

Transform = Callable[[str, bytes], tuple[str, bytes]]
"""Makes the client's content type and body out of the upstream's."""


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """Send this to the route's upstream.

    ``model`` is the model that the path names; ``asks_model`` says that the body names it. ``prompts``: the body is a
    prompt, which may have to be looked at before anything is sent.
    ``accept`` replaces the client's Accept field, ``transform`` rewrites a whole answer.
    """

    route: Route
    target: str
    model: str = ""
    asks_model: bool = False
    prompts: bool = False
    metered: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    accept: bytes = b""
    transform: Transform | None = None
    digest: bool = False


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """Answer 200 without an upstream: a client's question whether anybody is there."""

    route: Route


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Connect the client with this host, once its first bytes prove that it speaks TLS to that very host."""

    host: TunnelHost


Decision = Forward | LocalAnswer | Tunnel
