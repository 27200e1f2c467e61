# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One conversion cut short, for the many that `tests/long/faults` tries: the worst moment of the move of data."""

from __future__ import annotations

from pathlib import Path

from faults.flows import FLOWS
from faults.machine import machine
from faults.run import Point, Walk

#: The old tree has been moved aside, and what is to take its place is not mounted.
NOTHING_IN_PLACE = "systemctl start var-lib-docker.mount"


def test_the_power_is_cut_while_the_data_root_is_nowhere(tmp_path: Path) -> None:
    (flow,) = [flow for flow in FLOWS if flow.name == "convert"]
    with machine("t-faults", "trixie") as host:
        Walk(host, flow, tmp_path).cut(Point(flow, "power", 0, NOTHING_IN_PLACE))
