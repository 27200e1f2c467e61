# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is foretold of an object, what a month costs, and that the role's README shows just that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle import cost, forecast, retention
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.forecast import EVERYWHERE, Example
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.rules import from_options
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.view import plan_view
from generate import role_variable
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[5]
POLICY: dict[str, Any] = role_variable("s3_lifecycle", "__s3_lifecycle_policy")
PRICES: dict[str, Any] = role_variable("s3_lifecycle", "s3_lifecycle_prices")
LARGE, SMALL = Example("workspaces/a", 1 << 20), Example("workspaces/a", 1000)


def rules(**changes: Any) -> list[dict[str, Any]]:
    return [from_options(options) for options in retention.retention_rules(**{**POLICY, **changes})]


def days(
    example: Example, wanted: list[dict[str, Any]], minimum: str = EVERYWHERE, versioned: bool = True
) -> list[int]:
    return [event.day for event in forecast.forecast(wanted, example, versioned=versioned, minimum_size=minimum)]


def test_the_guides_days() -> None:
    assert days(LARGE, rules()) == [90, 270, 300, 300]
    assert days(SMALL, rules()) == [270, 300, 300]
    assert days(Example("workspaces-old/a", 1 << 20), rules()) == []
    assert days(LARGE, rules(), versioned=False) == [90, 270]


def test_the_bytes_can_be_gone_on_the_day() -> None:
    # 269 and a second rounding to midnight: with "not before" on both, the night of day 271, as a plain 270 days.
    assert days(LARGE, rules(expire_frees_bytes=True)) == [90, 239, 269, 269]


@pytest.mark.parametrize(
    ("minimum", "storage_class", "size", "moves"),
    [
        (EVERYWHERE, "GLACIER", 131071, False),
        (EVERYWHERE, "GLACIER", 131072, True),
        ("varies_by_storage_class", "GLACIER", 1, True),
        ("varies_by_storage_class", "DEEP_ARCHIVE", 1, True),
        ("varies_by_storage_class", "GLACIER_IR", 1, False),
        ("", "GLACIER_IR", 1, True),
    ],
)
def test_small_objects_move_as_the_bucket_says(minimum: str, storage_class: str, size: int, moves: bool) -> None:
    wanted = rules(archive_minimum_bytes=0, archive_class=storage_class)
    example = Example("workspaces/a", size)
    assert (90 in days(example, wanted, minimum)) == moves
    assert bool(forecast.note(wanted, example, minimum)) != moves


def test_a_filter_on_size_counts_more_than_the_bucket() -> None:
    assert 90 in days(SMALL, rules(archive_minimum_bytes=10))


def test_tags_and_disabled_rules() -> None:
    tagged = from_options({"id": "t", "tags": {"a": "b"}, "expiration_days": 5})
    off = from_options({"id": "off", "enabled": False, "expiration_days": 1})
    assert days(Example("x", 1, {"a": "b", "c": "d"}), [tagged, off], versioned=False) == [5]
    assert days(Example("x", 1, {"a": "c"}), [tagged, off], versioned=False) == []


def of(size: int, in_archive: float) -> float:
    stay = cost.Stay(standard_days=210 - in_archive, archive_days=in_archive, archive_class="GLACIER")
    return 1_000_000 * cost.object_cost(size, stay, cost.prices(PRICES, "GLACIER"))


def test_the_sums_of_the_readme() -> None:
    readme = (ROOT / "roles" / "s3_lifecycle" / "README.md").read_text()
    for size in (10 * 1024, 128 * 1024, 1 << 20):
        for in_archive in (0, 210):
            assert (
                f"${of(size, in_archive):.2g}".removesuffix(".0") in readme or f"${of(size, in_archive):.0f}" in readme
            )
    assert f"that is {cost.break_even(210, 'GLACIER', cost.prices(PRICES, 'GLACIER'))} bytes" in readme


@given(st.floats(1, 2000), st.sampled_from(["GLACIER", "DEEP_ARCHIVE", "GLACIER_IR", "STANDARD_IA"]))
def test_at_the_break_even_both_cost_the_same(stay: float, storage_class: str) -> None:
    price = cost.prices(PRICES, storage_class)
    size = cost.break_even(stay, storage_class, price)
    if size is None:
        return
    moved = cost.object_cost(size, cost.Stay(standard_days=0, archive_days=stay, archive_class=storage_class), price)
    stayed = cost.object_cost(size, cost.Stay(standard_days=stay, archive_days=0, archive_class=storage_class), price)
    assert moved == pytest.approx(stayed, rel=1e-4)


def test_the_readme_shows_the_plan_of_the_defaults() -> None:
    examples = role_variable("s3_lifecycle", "s3_lifecycle_forecast")
    shown = [
        forecast.shown(rules(), Example(**example), versioned=True, minimum_size=EVERYWHERE) for example in examples
    ]
    lines = plan_view(shown, policy=POLICY, load=role_variable("s3_lifecycle", "s3_lifecycle_load"), prices=PRICES)
    assert "```text\n" + "\n".join(lines) + "\n```" in (ROOT / "roles" / "s3_lifecycle" / "README.md").read_text()
