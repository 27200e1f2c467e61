# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that make clients in a container use the routes which exist for it; pure, no secret in them."""

from __future__ import annotations

from collections.abc import Iterable

from .settings import Policy, Route

# Clients insist on some credential; it is taken out on the way, see ``injection``.
_PLACEHOLDER = "placeholder"


def environment(routes: Iterable[Route], policy: Policy, client_url: str) -> dict[str, str]:
    """Return the environment for a container whose clients reach this service at ``client_url``.

    The first route of a kind counts. A client that could use both of the model APIs uses Anthropic's.
    """
    first: dict[str, Route] = {}
    for route in routes:
        if policy.routes is None or route.name in policy.routes:
            first.setdefault(route.kind, route)
    urls = {kind: client_url + route.prefix[:-1] for kind, route in first.items()}
    variables: dict[str, str] = {}
    if "anthropic" in urls:
        variables |= {"ANTHROPIC_BASE_URL": urls["anthropic"], "ANTHROPIC_API_KEY": _PLACEHOLDER}
    if "bedrock" in urls:
        variables |= {
            "ANTHROPIC_BEDROCK_BASE_URL": urls["bedrock"],
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": urls["bedrock"],
            # The SDKs do not agree on one name for it.
            "AWS_REGION": first["bedrock"].region,
            "AWS_DEFAULT_REGION": first["bedrock"].region,
            "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",
        }
        if "anthropic" not in urls:
            variables["CLAUDE_CODE_USE_BEDROCK"] = "1"
    if "bedrock_control" in urls:
        variables["AWS_ENDPOINT_URL_BEDROCK"] = urls["bedrock_control"]
    if "pypi" in urls:
        variables["PIP_INDEX_URL"] = urls["pypi"] + "/simple"
    if "npm" in urls:
        variables["npm_config_registry"] = urls["npm"] + "/"
    return variables
