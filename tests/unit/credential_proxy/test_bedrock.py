# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bedrock's table of calls, the models that paths name, and bodies that name them."""

from __future__ import annotations

import pytest
from credential_proxy.decision import Forward
from credential_proxy.model_choice import model_of
from credential_proxy.policy import Gate, check_model, decide
from credential_proxy.prompt import read_prompt
from credential_proxy.refusals import Refusal
from credential_proxy.request import RequestHead
from credential_proxy.settings import Policy, Route

RUNTIME = Route("run", "bedrock", "/bedrock/", "r.test", credential="aws", auth="sigv4", models=("*claude*",))
CONTROL = Route("ctl", "bedrock_control", "/bedrock/", "c.test", credential="aws", auth="sigv4")
MODEL = "anthropic.claude-3-5-sonnet-20241022-v2%3A0"
ARN = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-v1%3A0"


def ask(method: str, target: str, policy: Policy | None = None) -> Forward:
    """Decide about a request to Bedrock."""
    head = RequestHead(method, "/bedrock" + target, (), 0, wants_continue=False)
    decision = decide(head, Gate("demo", (RUNTIME, CONTROL), policy=policy or Policy()))
    assert isinstance(decision, Forward)
    return decision


@pytest.mark.parametrize(
    "call", ["invoke", "invoke-with-response-stream", "converse", "converse-stream", "count-tokens"]
)
@pytest.mark.parametrize(
    ("segment", "model"),
    [
        (MODEL, "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        (MODEL.replace("%3A", ":"), "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        (ARN, "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-v1:0"),
    ],
)
def test_calls(segment: str, model: str, call: str) -> None:
    decision = ask("POST", f"/model/{segment}/{call}")
    assert (decision.route, decision.target, decision.model) == (RUNTIME, f"/model/{segment}/{call}", model)
    assert decision.metered == (call != "count-tokens")


def test_lists_go_to_the_control_plane() -> None:
    for target in (
        *("/foundation-models", "/inference-profiles?type=SYSTEM_DEFINED&maxResults=10", f"/inference-profiles/{ARN}"),
        f"/foundation-models/{MODEL}",
    ):
        assert ask("GET", target).route == CONTROL


@pytest.mark.parametrize(
    ("method", "target", "rule"),
    [
        *(
            ("POST", target, "path")
            for target in (
                *(f"/model/{MODEL}", f"/model/{MODEL}/", f"/model/{MODEL}/delete", f"/model/{MODEL}/invoke/x"),
                *("/model//invoke", "/model/../invoke", "/model/%2e%2e/invoke", "/model/a%2F..%2Fb/invoke"),
                *(f"/model/{MODEL.replace('%', '%25')}/invoke", "/model/a%00/invoke", "/model/a%0d%0ab/invoke"),
                *("/model/é/invoke", "/async-invoke", "/guardrail/x/version/1/apply", "/model/a;b/invoke"),
                *("/model/..%2F/invoke", "/custom-models", "/model/%2F/invoke"),
            )
        ),
        ("POST", "/model/arn:aws:bedrock:us-east-1:1:inference-profile/x.claude/invoke", "bedrock-model"),
        ("GET", f"/model/{MODEL}/invoke", "method"),
        ("POST", "/foundation-models", "method"),
        ("POST", f"/model/{MODEL}/invoke?x=1", "query"),
        ("GET", "/foundation-models?a=<b>", "query"),
        ("GET", "/foundation-models/..%2F..", "path"),
        ("POST", "/model/amazon.titan-text/invoke", "model"),
    ],
)
def test_refused(method: str, target: str, rule: str) -> None:
    with pytest.raises(Refusal) as caught:
        ask(method, target)
    assert caught.value.rule == rule


def test_a_conversation_s_models_are_on_top_of_the_route_s() -> None:
    policy = Policy(models=("*haiku*",))
    with pytest.raises(Refusal) as caught:
        ask("POST", f"/model/{MODEL}/invoke", policy)
    assert caught.value.rule == "model"
    assert ask("POST", "/model/anthropic.claude-haiku/invoke", policy).model == "anthropic.claude-haiku"
    with pytest.raises(Refusal):
        check_model("haiku", RUNTIME, policy)


def test_model_of_a_body() -> None:
    assert model_of(read_prompt(b'{"model": "claude-x", "messages": [{"model": 1, "model": 2}]}')) == "claude-x"


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b"1", b'{"model": 1}', b'{"model": "a", "model": "b"}', b'{"model": "a", "\\u006dodel": "b"}'],
)
def test_body_without_one_clear_model(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        model_of(read_prompt(body))
    assert caught.value.rule == "model-missing"
