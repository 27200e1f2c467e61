# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop's timers: they run in their order, and cancelled ones take no memory until their time."""

from __future__ import annotations

import contextlib
import gc

import pytest
from credential_proxy.reactor import Reactor, Timer

DAY = 86400.0


@pytest.fixture
def reactor() -> contextlib.closing[Reactor]:
    """A loop that does not run by itself."""
    return contextlib.closing(Reactor())


def alive() -> int:
    """How many timers this process holds."""
    return sum(isinstance(thing, Timer) for thing in gc.get_objects())


def test_cancelled_timers_are_thrown_out_long_before_their_time(reactor: contextlib.closing[Reactor]) -> None:
    with reactor as loop:
        before = alive()
        for _ in range(10_000):
            loop.call_later(DAY, lambda: None).cancel()
        assert alive() - before < 200


def test_timers_that_wait_stay_among_cancelled_ones(reactor: contextlib.closing[Reactor]) -> None:
    ran: list[int] = []
    with reactor as loop:
        before = alive()
        for number in range(1000):
            loop.call_later(-float(number), lambda number=number: ran.append(number))
            loop.call_later(DAY, lambda: None)
            for _ in range(3):
                loop.call_later(-DAY, lambda: ran.append(-1)).cancel()
        assert alive() - before >= 2000
        loop.run_once(0.0)
    assert ran == list(reversed(range(1000))), "what was due first runs first"


def test_a_timer_cancels_another_and_itself(reactor: contextlib.closing[Reactor]) -> None:
    ran: list[str] = []
    with reactor as loop:
        second = loop.call_later(0.0, lambda: ran.append("second"))
        own: list[Timer] = []

        def act() -> None:
            ran.append("first")
            own[0].cancel()
            second.cancel()
            second.cancel()

        own.append(loop.call_later(-1.0, act))
        loop.run_once(0.0)
        loop.run_once(0.0)
    assert ran == ["first"]
