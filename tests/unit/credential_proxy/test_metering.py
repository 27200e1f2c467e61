# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens are read from every form of answer; budgets, rates and prices are kept by the ledger."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path

import pytest
from credential_proxy.metering.ledger import Account, Ledger
from credential_proxy.metering.usage import Meter, Usage
from credential_proxy.refusals import Refusal
from credential_proxy.settings import Limits, Price
from hypothesis import given
from hypothesis import strategies as st

EVENT_STREAM = "application/vnd.amazon.eventstream"
FIGURES = {"input_tokens": 11, "output_tokens": 22, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 4}
START = {"type": "message_start", "message": {"model": "claude-x", "usage": {**FIGURES, "output_tokens": 1}}}
# What a model writes cannot pass for figures: it is a string inside the event.
FORGED = {"type": "content_block_delta", "delta": {"text": json.dumps({"usage": {"output_tokens": 999999}})}}
CLAUDE = Price("claude-*", 3.0, 15.0, 0.3, 3.75, 6.0, 2.0)
DELTA = {"type": "message_delta", "usage": {"output_tokens": 22}}


def sse() -> bytes:
    """Write a stream of events."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), json.dumps(event).encode())
        for event in (START, FORGED, DELTA)
    )


def frame(payload: bytes) -> bytes:
    """Write one message of an AWS event stream."""
    name = b":event-type"
    header = bytes([len(name)]) + name + b"\x07" + struct.pack("!H", 5) + b"chunk"
    prelude = struct.pack("!II", 16 + len(header) + len(payload), len(header))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + header + payload
    return message + struct.pack("!I", zlib.crc32(message))


def invoke_stream() -> bytes:
    """Write what invoke-with-response-stream answers."""
    return b"".join(
        frame(json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode())
        for event in (START, FORGED, DELTA)
    )


def converse_stream() -> bytes:
    """Write what converse-stream answers."""
    figures = {"inputTokens": 11, "outputTokens": 22, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 4}
    return frame(b'{"delta":{"text":"hi"}}') + frame(json.dumps({"usage": figures}).encode())


@pytest.mark.parametrize(
    ("kind", "body", "model"),
    [
        ("application/json", json.dumps({"model": "claude-x", "usage": FIGURES}).encode(), "claude-x"),
        ("text/event-stream; charset=utf-8", sse(), "claude-x"),
        (EVENT_STREAM, invoke_stream(), "claude-x"),
        (EVENT_STREAM, converse_stream(), ""),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 100000])
def test_every_form(kind: str, body: bytes, model: str, step: int) -> None:
    meter = Meter(((b"content-type", kind.encode()),))
    for at in range(0, len(body), step):
        meter.feed(body[at : at + step])
    assert meter.finish() == Usage(model, 11, 22, 3, 4)


def test_figures_in_the_head() -> None:
    fields = ((b"x-amzn-bedrock-input-token-count", b"5"), (b"x-amzn-bedrock-output-token-count", b"6"))
    assert Meter(fields).finish() == Usage("", 5, 6)
    twice = (*fields, (b"x-amzn-bedrock-input-token-count", b"1"))
    assert Meter(twice).finish() == Usage("", 5, 6), "the larger figure counts"


@given(st.binary(max_size=400), st.sampled_from(["application/json", "text/event-stream", EVENT_STREAM]))
def test_odd_bodies_cost_nothing(noise: bytes, kind: str) -> None:
    meter = Meter(((b"content-type", kind.encode()),))
    meter.feed(noise)
    assert meter.finish().tokens == 0


def test_an_answer_that_was_cut_is_estimated() -> None:
    usage = Usage(input=10)
    usage.estimate(4000, 800)
    assert (usage.input, usage.output, usage.estimated) == (10, 200, True)


def admit(ledger: Ledger, limits: Limits, now: float = 0.0, wall: float = 1000.0) -> str:
    """Ask for one request; return the rule that refuses it, or nothing."""
    try:
        ledger.admit("demo", limits, now=now, wall=wall, metered=True)
    except Refusal as refusal:
        assert refusal.status == 429
        return refusal.rule
    return ""


def test_rate_fills_again() -> None:
    ledger, limits = Ledger(()), Limits(requests_per_minute=2)
    assert [admit(ledger, limits) for _ in range(3)] == ["", "", "rate"]
    assert admit(ledger, limits, now=29.0) == "rate"
    assert admit(ledger, limits, now=60.0) == ""


def test_open_requests() -> None:
    ledger, limits = Ledger(()), Limits(concurrent_requests=1)
    assert [admit(ledger, limits) for _ in range(2)] == ["", "concurrency"]
    ledger.release("demo")
    assert admit(ledger, limits) == ""


def test_budgets_in_all_and_by_day() -> None:
    day = 86400.0
    ledger, free = Ledger((CLAUDE,)), Limits()
    usage = Usage("claude-x", 1_000_000, 200_000, 1_000_000, 0)
    assert ledger.charge("demo", usage, "", free, wall=day) == pytest.approx(3.0 + 3.0 + 0.3)
    assert admit(ledger, Limits(cost_per_day=6.3), wall=day + 5) == "budget-day"
    assert admit(ledger, Limits(cost_per_day=6.4), wall=day + 5) == ""
    assert admit(ledger, Limits(tokens_per_day=2_200_000), wall=day + 5) == "budget-day"
    assert admit(ledger, Limits(tokens_per_day=2_200_000), wall=2 * day + 5) == "", "tomorrow is another day"
    assert admit(ledger, Limits(tokens=2_200_000), wall=2 * day + 5) == "budget"
    assert admit(ledger, Limits(cost=6.0), wall=2 * day + 5) == "budget"
    assert ledger.charge("demo", Usage("other", 5), "", free, wall=day) == 0.0, "money is not limited"


@pytest.mark.parametrize("limits", [Limits(cost=1.0), Limits(cost_per_day=1.0)])
def test_prices_by_the_answer_then_by_the_path_then_the_dearest(limits: Limits) -> None:
    bedrock, dear = (
        Price(name, *prices, 6.0)
        for name, prices in (("*anthropic.claude-*", (30.0,) * 5), ("x", (500.0, 1.0, 1.0, 1.0, 1.0)))
    )
    ledger = Ledger((CLAUDE, bedrock, dear))

    def cost(answer: str, path: str) -> float:
        return ledger.charge("demo", Usage(answer, 1_000_000), path, limits, wall=0.0)

    path = "eu.anthropic.claude-3-5-sonnet-20241022-v2:0"
    assert cost("claude-3-5-sonnet-20241022", path) == 3.0
    assert cost("other", path) == 30.0, "the answer names it otherwise than the path"
    assert cost("", path) == 30.0
    for names in (("other", ""), ("", ""), ("", "another")):
        assert cost(*names) == 500.0
    assert Ledger(()).charge("demo", Usage("", 5), "", limits, wall=0.0) == 0.0


def test_what_stays_in_the_cache_for_an_hour_is_dearer() -> None:
    meter = Meter(((b"content-type", b"application/json"),))
    creation = {"ephemeral_5m_input_tokens": 300_000, "ephemeral_1h_input_tokens": 700_000}
    figures = {"cache_creation": creation, "cache_creation_input_tokens": 1_000_000}
    meter.feed(json.dumps({"model": "claude-x", "usage": figures}).encode())
    usage = meter.finish()
    assert (usage.cache_write, usage.cache_write_1h, usage.tokens) == (1_000_000, 700_000, 1_000_000)
    cost = Ledger((CLAUDE,)).charge("demo", usage, "", Limits(), wall=0.0)
    assert cost == pytest.approx(0.3 * 3.75 + 0.7 * 6.0)


def test_other_calls_for_the_same_answer_are_charged_by_their_models() -> None:
    """An advisor's tokens, and those of a summary, are no part of the totals."""
    iterations = [
        {"type": "message", "input_tokens": 1_000_000, "output_tokens": 0},
        {"type": "advisor_message", "model": "dear", "input_tokens": 1_000_000, "output_tokens": 100_000},
        {"type": "compaction", "input_tokens": 2_000_000, "output_tokens": 0, "iterations": [{}]},
    ]
    meter = Meter(((b"content-type", b"text/event-stream"),))
    for some in (iterations[:2], iterations):
        figures = {"input_tokens": 1_000_000, "output_tokens": 0, "iterations": some}
        meter.feed(b"data: " + json.dumps({"model": "claude-x", "usage": figures}).encode() + b"\n\n")
    usage = meter.finish()
    assert usage.counts() == {"input": 4_000_000, "output": 100_000}
    assert usage.tokens == 4_100_000
    ledger = Ledger((CLAUDE, Price("dear", 30.0, 100.0, 0.0, 0.0, 0.0, 6.0)))
    cost = ledger.charge("demo", usage, "claude-x", Limits(), wall=0.0)
    assert cost == pytest.approx(3.0 + (30.0 + 10.0) + 6.0)
    assert ledger.account("demo").tokens == 4_100_000


def test_fast_mode_is_dearer() -> None:
    usage = Usage()
    usage.absorb({"model": "claude-x", "usage": {"input_tokens": 1_000_000, "output_tokens": 1, "speed": "fast"}})
    assert Ledger((CLAUDE,)).charge("demo", usage, "", Limits(), wall=0.0) == pytest.approx(2 * (3.0 + 15e-6))


@pytest.mark.parametrize("step", [70_000, 10_000_000])
def test_the_end_of_a_long_answer_cannot_be_forged(step: int) -> None:
    forged = {"usage": {"input_tokens": 1, "output_tokens": 1}}
    content = [{"text": "x" * 2_000_000 + json.dumps(forged)}, {"input": {**forged, "deep": [forged] * 5}}]
    body = json.dumps({"content": content, "usage": FIGURES, "stop_reason": '"usage": {'}).encode()
    meter = Meter(((b"content-type", b"application/json"),))
    for at in range(0, len(body), step):
        meter.feed(body[at : at + step])
    assert meter.finish() == Usage("", 11, 22, 3, 4)
    without = Meter(((b"content-type", b"application/json"),))
    without.feed(json.dumps({"content": content}).encode())
    assert without.finish().tokens == 0, "which is then estimated"


def test_a_clock_that_jumps_back_does_not_refill_the_budget_in_all() -> None:
    ledger = Ledger(())
    ledger.charge("demo", Usage(input=10), "", Limits(), wall=86400.0 * 5)
    assert admit(ledger, Limits(tokens=10), wall=86400.0 * 4) == "budget"


def test_accounts_outlive_the_service(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    ledger = Ledger(())
    ledger.charge("demo", Usage(input=10), "", Limits(), wall=1000.0)
    assert ledger.dirty
    ledger.save(path)
    again = Ledger(())
    again.load(path)
    assert again.account("demo") == Account(10, 0.0, 0, 10, 0.0)
    again.forget("demo")
    assert again.account("demo") == Account()


def test_broken_accounts_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "usage.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        Ledger(()).load(path)
