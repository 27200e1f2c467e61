# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counters: what is there before anything has happened."""

from __future__ import annotations

from credential_proxy.metrics import Metrics
from credential_proxy.refusals import RULES


def refusals(metrics: Metrics) -> list[str]:
    """The samples of that counter."""
    return [line for line in metrics.render({}).splitlines() if line.startswith("credential_proxy_refusals_total")]


def test_every_rule_is_counted_from_zero() -> None:
    metrics = Metrics()
    assert refusals(metrics) == [f'credential_proxy_refusals_total{{rule="{rule}"}} 0' for rule in sorted(RULES)]
    metrics.add("refusals_total", (("rule", "secret-echo"),))
    assert 'credential_proxy_refusals_total{rule="secret-echo"} 1' in refusals(metrics)
    assert len(refusals(metrics)) == len(RULES)
