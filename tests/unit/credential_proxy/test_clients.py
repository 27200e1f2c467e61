# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables for containers: from the routes that exist and that the conversation may use, nothing else."""

from __future__ import annotations

from credential_proxy.clients import environment
from credential_proxy.settings import Policy, Route

ROUTES = (
    Route("a", "anthropic", "/", "api.test"),
    Route("b", "bedrock", "/bedrock/", "b.test", region="eu-central-1"),
    Route("c", "bedrock_control", "/bedrock/", "c.test", region="eu-central-1"),
    Route("p", "pypi", "/pypi/", "index.test"),
    Route("n", "npm", "/npm/", "registry.test"),
)
URL = "http://127.0.0.1:9080"


def test_every_route() -> None:
    assert environment(ROUTES, Policy(), URL) == {
        "ANTHROPIC_BASE_URL": URL,
        "ANTHROPIC_API_KEY": "placeholder",
        "ANTHROPIC_BEDROCK_BASE_URL": f"{URL}/bedrock",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": f"{URL}/bedrock",
        "AWS_ENDPOINT_URL_BEDROCK": f"{URL}/bedrock",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",
        "PIP_INDEX_URL": f"{URL}/pypi/simple",
        "npm_config_registry": f"{URL}/npm/",
    }


def test_only_what_the_conversation_may_use() -> None:
    variables = environment(ROUTES, Policy(routes=frozenset({"b"})), URL)
    assert variables["CLAUDE_CODE_USE_BEDROCK"] == "1"
    assert not {"ANTHROPIC_BASE_URL", "PIP_INDEX_URL", "npm_config_registry"} & set(variables)
    assert environment(ROUTES, Policy(routes=frozenset()), URL) == {}
