# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the rules in force out of a configuration, and puts new ones in force without touching what is running."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from .apis.packages import Mirror
from .context import Context, Rules
from .reactor import Reactor
from .resolver import Resolver
from .secret import Credential
from .settings import Config, ConfigError
from .upstream import Upstream, tls_context


def make_rules(
    config: Config,
    credentials: Mapping[str, Credential],
    reactor: Reactor,
    resolver: Resolver,
    *,
    key: bytes,
    old: Rules | None = None,
) -> Rules:
    """Build rules; connections of routes that did not change are kept. Every problem of the routes is reported."""
    upstreams: dict[str, Upstream] = {}
    problems: list[str] = []
    for route in config.routes:
        known = old.upstreams.get(route.name) if old is not None and old.parent_proxy == config.parent_proxy else None
        if known is not None and known.route == route and route.ca_file is None:
            upstreams[route.name] = known
            continue
        try:
            upstreams[route.name] = Upstream(reactor, resolver, route, tls_context(route), config.parent_proxy)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return Rules(
        routes=config.routes,
        credentials=credentials,
        upstreams=upstreams,
        tunnels=config.tunnels,
        limits=config.limits,
        mirror=Mirror(config.routes, config.client_url, hmac.digest(key, b"seals of files", "sha256")),
        parent_proxy=config.parent_proxy,
    )


def put_in_force(context: Context, rules: Rules) -> None:
    """Use new rules for every request from now on; answers that are on their way end under the old ones."""
    old, context.rules = context.rules, rules
    context.planners.clear()
    for name, upstream in old.upstreams.items():
        if rules.upstreams.get(name) is not upstream:
            upstream.close()
