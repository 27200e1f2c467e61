# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets cannot be gone around: what the upstream was asked for is charged, whatever becomes of the answer."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
from credential_proxy.settings import REACHES
from proxy_stand import http_answer

BODY = b'{"text":"' + b"x" * 3989 + b'"}'
WHOLE = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n" + BODY
CHUNKED = (
    b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfa0\r\n" + BODY + b"\r\n0\r\n\r\n"
)
LONG = 2 * 1024 * 1024
PRICES = [{"model": "known", "input": 1, "output": 1}, {"model": "dear", "input": 1000, "output": 2000}]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def ends(proxy: Any) -> list[dict[str, Any]]:
    """Return the lines of all requests' ends."""
    return [record for record in proxy.audit() if record["event"] == "end"]


def silent(_sock: ssl.SSLSocket, _request: bytes) -> bool:
    """Work, and say nothing yet."""
    return True


def answering(status: bytes, body: bytes, kind: bytes = b"application/json") -> Callable[[ssl.SSLSocket, bytes], bool]:
    """Make an upstream that gives this answer."""

    def answer(sock: ssl.SSLSocket, _request: bytes) -> bool:
        sock.sendall(http_answer(status, body).replace(b"\r\n", b"\r\ncontent-type: " + kind + b"\r\n", 1))
        return True

    return answer


def hang_up(proxy: Any, recorder: Any, raw: bytes, arrived: bytes) -> dict[str, Any]:
    """Send these bytes, go away when they are upstream, and return the line of the end."""
    with proxy.connect() as sock:
        sock.sendall(raw)
        wait_for(lambda: recorder.received.endswith(arrived))
    wait_for(lambda: len(ends(proxy)) == 1)
    return ends(proxy)[0]


@pytest.mark.parametrize("raw", [WHOLE, CHUNKED], ids=["whole", "chunked"])
def test_who_hangs_up_before_the_answer_begins_pays(proxy: Any, recorder: Any, raw: bytes) -> None:
    recorder.answer = silent
    proxy.configure(limits={"tokens": 1000})
    assert proxy.reload() == {"ok": True}
    end = hang_up(proxy, recorder, raw, BODY)
    assert (end["verdict"], end["tokens"], end["estimated"]) == ("cut", {"input": 1000}, True)
    assert proxy.exchange(WHOLE)[9:12] == b"429"


def test_who_hangs_up_before_the_request_is_whole_does_not(make_proxy: Any, recorder: Any) -> None:
    """Also where nothing is held, so that the upstream has all but one byte."""
    streaming = make_proxy(recorder.port, provider_reach=list(REACHES))
    streaming.start()
    assert "tokens" not in hang_up(streaming, recorder, WHOLE[:-1], BODY[:-1])


def test_an_upstream_that_takes_a_request_and_ends_is_paid(proxy: Any, recorder: Any) -> None:
    recorder.answer = lambda _sock, _request: False
    assert proxy.exchange(WHOLE)[9:12] == b"502"
    assert ends(proxy)[0]["tokens"] == {"input": 1000}, "our own answer is none of its tokens"


def test_requests_that_fail_cost_nothing(make_proxy: Any, proxy: Any, recorder: Any) -> None:
    recorder.answer = answering(b"529 Overloaded", b"{}")
    assert proxy.exchange(WHOLE)[9:12] == b"529"
    assert "tokens" not in ends(proxy)[0]
    unreachable = make_proxy(recorder.port, address="127.0.0.1:1")
    unreachable.start()
    assert unreachable.exchange(WHOLE)[9:12] == b"502"
    assert "tokens" not in ends(unreachable)[0]


def test_answers_without_figures_are_charged_by_their_size(proxy: Any, recorder: Any) -> None:
    for number, (kind, body) in enumerate(
        ((b"text/plain", b"y" * LONG), (b"application/json", b'"' + b"y" * LONG + b'"'), (b"application/json", b"{}"))
    ):
        recorder.answer = answering(b"200 OK", body, kind)
        assert proxy.exchange(WHOLE)[9:12] == b"200"
        end = ends(proxy)[number]
        assert (end["verdict"], end["estimated"], end["tokens"]["input"]) == ("served", True, 1000)
        assert end["tokens"]["output"] >= len(body) // 4


def test_the_end_of_a_long_answer_has_the_figures(proxy: Any, recorder: Any) -> None:
    forged = {"type": "tool_use", "input": {"usage": {"output_tokens": 1}, "text": "y" * LONG}}
    message = {"model": "known", "content": [forged], "usage": {"input_tokens": 7, "output_tokens": 600_000}}
    recorder.answer = answering(b"200 OK", json.dumps(message).encode())
    assert proxy.exchange(WHOLE)[9:12] == b"200"
    end = ends(proxy)[0]
    assert end["tokens"] == {"input": 7, "output": 600_000}
    assert "estimated" not in end


@pytest.mark.parametrize(("limits", "cost"), [({"cost_per_day": 5}, 0.002), ({"tokens": 5000}, None)])
def test_a_model_without_a_price_is_as_dear_as_the_dearest(
    proxy: Any, recorder: Any, limits: dict[str, int], cost: float | None
) -> None:
    usage = {"model": "other", "usage": {"input_tokens": 0, "output_tokens": 1}}
    recorder.answer = answering(b"200 OK", json.dumps(usage).encode())
    proxy.configure(limits=limits, prices=PRICES)
    assert proxy.reload() == {"ok": True}
    assert proxy.exchange(WHOLE)[9:12] == b"200"
    assert ends(proxy)[0].get("cost") == cost


def test_a_request_without_its_answer_costs_money_too(proxy: Any, recorder: Any) -> None:
    recorder.answer = silent
    proxy.configure(limits={"cost": 1}, prices=PRICES)
    assert proxy.reload() == {"ok": True}
    assert hang_up(proxy, recorder, WHOLE, BODY)["cost"] == 1.0
    with proxy.connect() as sock:
        sock.sendall(WHOLE)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(65536)[9:12] == b"429"
