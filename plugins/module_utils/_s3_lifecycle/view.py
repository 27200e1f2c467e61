# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for people to read: what happens to an object on which day, and what a month costs. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import cost


def plan_view(
    forecasts: Sequence[Mapping[str, Any]],
    *,
    policy: Mapping[str, Any],
    load: Mapping[str, Any],
    prices: Mapping[str, Any],
) -> list[str]:
    """Lines of text. `forecasts` are those of the module; `load` and `prices` as cost.monthly takes them."""
    lines = [line for one in forecasts for line in _object_lines(one)]
    return lines + (_cost_lines(policy, load, prices) if load and policy["expire_days"] else [])


def _object_lines(one: Mapping[str, Any]) -> list[str]:
    lines = [f"{one['key']} ({one['size']} bytes)"]
    lines += [f"  day {event['day']:>4}  {event['what']} ({event['rule']})" for event in one["events"]]
    if one["note"]:
        lines.append(f"            {one['note']}")
    if not one["events"]:
        lines.append("            stays for ever: no rule ends it")
    return lines


def _cost_lines(policy: Mapping[str, Any], load: Mapping[str, Any], prices: Mapping[str, Any]) -> list[str]:
    currency, storage_class = prices["currency"], policy["archive_class"]
    lines = [f"storage and transitions a month, once as much ends as comes ({currency}):"]
    costs = cost.monthly(load, policy, prices)
    for one in costs:
        where = f"moves to {storage_class}" if one["moves"] else "stays in STANDARD"
        lines.append(
            f"  {one['cost']:>10.2f}  {one['objects']}: {one['stored_gib']} GiB at any time, {where}; "
            f"all in STANDARD: {one['cost_if_it_stayed']:.2f}"
        )
    lines.append(f"  {sum(one['cost'] for one in costs):>10.2f}  in all")
    if policy["archive_days"]:
        days = cost.days_of_life(policy) - policy["archive_days"]
        least = cost.break_even(days, storage_class, cost.prices(prices, storage_class))
        told = f"objects of more than {least} bytes" if least else "nothing"
        lines.append(f"  with {days} days in {storage_class}, {told} cost less there than in STANDARD")
    return lines
