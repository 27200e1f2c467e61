# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal is a well-formed answer that names rule and cure."""

from __future__ import annotations

import json

import pytest
from credential_proxy.refusals import RULES, Refusal, refusal_answer
from credential_proxy.response import ResponseRelay


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_makes_a_good_answer(rule: str) -> None:
    raw = refusal_answer(Refusal(rule, detail="secret detail", allow="GET"))
    relay = ResponseRelay(method="POST", needles=(), close=False)
    relay.feed(raw)
    assert relay.complete
    assert relay.status == RULES[rule].status
    head, _, body = raw.partition(b"\r\n\r\n")
    reason = head.partition(b"\r\n")[0].decode("ascii")
    assert RULES[rule].cause in reason
    assert RULES[rule].cure in reason
    message = json.loads(body)["error"]["message"]
    assert message.startswith("cannot serve this request: ")
    assert f"rule {rule}" in message
    assert RULES[rule].cure in message
    assert b"secret detail" not in raw


def test_answer_to_head_has_no_body() -> None:
    assert refusal_answer(Refusal("path"), without_body=True).endswith(b"\r\n\r\n")


def test_unknown_rule_is_our_mistake() -> None:
    with pytest.raises(KeyError):
        Refusal("no-such-rule")
