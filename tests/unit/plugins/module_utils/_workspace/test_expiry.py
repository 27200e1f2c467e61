# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a conversation has come to its end, and what counts as work."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import names
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.audit_log import count
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.expiry import (
    Life,
    Look,
    life,
    reason_to_end,
    seconds,
)
from hypothesis import given
from hypothesis import strategies as st

HOUR = 3600


@pytest.mark.parametrize(
    ("stamp", "read"),
    [
        ("2026-01-05T08:15:00Z", 1767600900.0),
        ("2026-01-05T08:15:00.500000000Z", 1767600900.5),
        ("2026-01-05T09:15:00.25+01:00", 1767600900.25),
        ("2026-01-05T09:15:00+01:00", 1767600900.0),
        ("2026-01-05T03:15:00.123456789-05:00", 1767600900.123456789),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_docker_s_times_are_read(stamp: str, read: float | None) -> None:
    found = seconds(stamp)
    assert found == (None if read is None else pytest.approx(read))


@pytest.mark.parametrize(
    ("seen", "now", "reason"),
    [
        (Life(created=0, running=True), 10**9, ""),
        (Life(created=0, running=True, expires_after=HOUR), HOUR - 1, ""),
        (Life(created=0, running=True, expires_after=HOUR), HOUR, "expired"),
        (Life(created=0, running=False, expires_after=HOUR), HOUR, "expired"),
        (Life(created=0, running=True, idle_after=HOUR, last_work=HOUR), 2 * HOUR - 1, ""),
        (Life(created=0, running=True, idle_after=HOUR, last_work=HOUR), 2 * HOUR, "idle"),
        # Nothing was noted of it yet: not a word about it.
        (Life(created=0, running=True, idle_after=HOUR), 10**9, ""),
        (Life(created=0, running=False, stopped=HOUR, idle_after=HOUR), 2 * HOUR - 1, ""),
        (Life(created=0, running=False, stopped=HOUR, idle_after=HOUR), 2 * HOUR, "idle"),
        (Life(created=0, running=False, idle_after=HOUR), HOUR, "idle"),
    ],
)
def test_the_end_comes_neither_sooner_nor_later(seen: Life, now: float, reason: str) -> None:
    found = reason_to_end(seen, now)
    assert found.startswith(reason) if reason else found == ""


@given(created=st.integers(0, 10**6), now=st.integers(0, 10**9), running=st.booleans())
def test_without_a_label_no_conversation_ever_ends(created: int, now: int, running: bool) -> None:
    assert reason_to_end(Life(created=created, running=running, stopped=created, last_work=created), now) == ""


@pytest.mark.parametrize(
    ("cpu", "worked"),
    # 100 seconds pass: a hundredth of a processor is one second; less time than before is a container started anew.
    [(50.9, False), (51.0, True), (60.0, True), (3.0, True)],
)
def test_work_is_a_hundredth_of_a_processor(cpu: float, worked: bool) -> None:
    after = Look(at=1000, cpu=50, last_work=700).next(1100, cpu)
    assert after.last_work == (1100 if worked else 700)


def container(status: str, **labels: str) -> dict[str, Any]:
    state = {"Status": status, "FinishedAt": "2026-01-05T08:15:00Z"}
    return {"Created": "2026-01-05T08:00:00Z", "State": state, "Config": {"Labels": labels}}


def test_a_container_s_labels_are_its_life() -> None:
    seen = life(container("exited", **{names.EXPIRES_AFTER: "28800", names.IDLE_AFTER: "1800"}), None)
    assert (seen.expires_after, seen.idle_after, seen.running) == (28800, 1800, False)
    assert seen.stopped == pytest.approx(seen.created + 900)
    assert life(container("paused"), None).stopped is None


def test_a_label_that_is_no_number_is_none() -> None:
    assert life(container("running", **{names.EXPIRES_AFTER: "soon"}), None).expires_after is None


def test_the_audit_log_is_counted_by_conversation() -> None:
    lines = [
        b'{"event":"decision","ts":"2026-01-05T08:15:00.000+00:00","workspace":"a","verdict":"allow"}',
        b'{"event":"decision","ts":"2026-01-05T08:15:01.000+00:00","workspace":"a","verdict":"deny","rule":"path"}',
        b'{"event":"end","ts":"2026-01-05T08:15:02.000+00:00","workspace":"a","verdict":"deny"}',
        b'{"event":"decision","ts":"2026-01-05T08:15:03.000+00:00","workspace":"a","verdict":"allow"}',
        b'{"event":"decision","ts":"2026-01-05T08:15:04.000+00:00","workspace":"b","verdict":"allow"}',
        b'{"event":"decision","ts":"2026-01',
    ]
    found = count(lines)
    assert found.keys() == {"a", "b"}
    assert (found["a"].denied, found["a"].last_rule) == (1, "path")
    assert found["a"].last_denied == pytest.approx(found["a"].last - 2)
    assert found["b"].denied == 0
