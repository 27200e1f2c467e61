# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter of the s3_lifecycle role: what its rules will do, as lines to read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: s3_plan_view
short_description: Show what a retention policy does to objects, and what it costs
version_added: 2.0.0
description:
  - Turns the forecasts of P(bulkhead.workspace.s3_bucket_lifecycle#module) and a load into lines of text.
  - Costs are those of storage and transitions, from the prices that are given.
options:
  _input:
    description: The return value RV(bulkhead.workspace.s3_bucket_lifecycle#module:forecast).
    type: list
    elements: dict
    required: true
  policy:
    description: The policy, as P(bulkhead.workspace.s3_retention_rules#filter) takes it.
    type: dict
    required: true
  load:
    description: New objects by name, with the keys C(bytes) (each) and C(a_month) (how many).
    type: dict
    required: true
  prices:
    description:
      - Prices with the keys C(currency), C(storage_gib_month) and C(transitions_per_thousand), the latter two by
        storage class.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ planned.forecast | bulkhead.workspace.s3_plan_view(policy=policy, load=load, prices=prices) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle.view import plan_view


def s3_plan_view(
    forecasts: Sequence[Mapping[str, Any]],
    policy: Mapping[str, Any],
    load: Mapping[str, Any],
    prices: Mapping[str, Any],
) -> list[str]:
    try:
        return plan_view(forecasts, policy=policy, load=load, prices=prices)
    except KeyError as error:
        raise AnsibleFilterError(
            f"cannot estimate the cost: there is no {error}; add it to the prices or the load"
        ) from error


class FilterModule:
    """The collection's view of retention plans."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"s3_plan_view": s3_plan_view}
