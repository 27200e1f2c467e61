# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of requests: shared by those that are the same, by nobody else, and within bounds."""

from __future__ import annotations

import gc

import pytest
from credential_proxy.apis.packages import Mirror
from credential_proxy.plan import Plan, Planner
from credential_proxy.policy import Gate
from credential_proxy.refusals import Refusal
from credential_proxy.request import RequestHead, parse_request
from credential_proxy.settings import Policy, Route

ROUTES = (
    Route("main", "anthropic", "/", "api.test", credential="key"),
    Route("bedrock", "bedrock", "/bedrock/", "b.test", credential="key", auth="bearer", region="eu-central-1"),
    Route("pypi", "pypi", "/pypi/", "index.test", auth="none"),
)


def planner(policy: Policy | None = None) -> Planner:
    """What plans a conversation's requests."""
    return Planner(Gate("demo", ROUTES, policy=policy or Policy(), mirror=Mirror(ROUTES, "http://x")))


def head(line: bytes, *fields: bytes) -> RequestHead:
    """A head as it is read from the wire."""
    return parse_request(b"\r\n".join((line + b" HTTP/1.1", b"Host: localhost", *fields)))


def test_the_same_bytes_share_one_plan() -> None:
    plans = planner()
    assert plans.plan(head(b"GET /v1/models")) is plans.plan(head(b"GET /v1/models"))


@pytest.mark.parametrize("fields", [[b"Content-Length: 7"], [b"Content-Length: 2", b"Connection: close"], [b"X-A: b"]])
def test_another_head_has_a_plan_of_its_own_with_the_same_decision(fields: list[bytes]) -> None:
    plans = planner()
    first = plans.plan(head(b"POST /v1/messages", b"Content-Length: 2"))
    other = plans.plan(head(b"POST /v1/messages", *fields))
    assert other is not first
    assert other.head.fields != first.head.fields
    assert (other.decision, other.said) == (first.decision, first.said)
    assert other.close == (b"Connection: close" in fields)


def test_each_conversation_is_judged_by_its_own_policy() -> None:
    request = head(b"POST /bedrock/model/big-1/converse", b"Content-Length: 2")
    assert planner().plan(request).route == "bedrock"
    with pytest.raises(Refusal, match="model"):
        planner(Policy(models=("small-*",))).plan(request)


def test_what_depends_on_more_than_the_target_is_decided_anew() -> None:
    plans = planner()
    page = head(b"GET /pypi/simple/six/", b"Accept: text/html")
    assert plans.plan(page).decision is not plans.plan(page).decision


def test_a_long_head_is_not_remembered() -> None:
    plans = planner()
    long = head(b"GET /v1/models", b"X-Filler: " + b"a" * 4000)
    assert plans.plan(long) is not plans.plan(long)


def test_no_client_makes_it_remember_without_end() -> None:
    plans = planner()
    for number in range(5000):
        plans.plan(head(b"POST /bedrock/model/m-%d/converse" % number, b"Content-Length: %d" % number))
    gc.collect()
    assert sum(isinstance(thing, Plan) for thing in gc.get_objects()) < 200
