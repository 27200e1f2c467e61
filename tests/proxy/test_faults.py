# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault around the proxy in small; ``make long-proxy`` has them at full size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proxy.faults import SCENARIOS

FAULTS = Path(__file__).with_name("faults.py")
# A 99th percentile is not to be had from a few requests beside other tests.
SMALL = [name for name in SCENARIOS if name != "neighbour"]


@pytest.mark.parametrize("name", SMALL)
def test_fault(name: str) -> None:
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, str(FAULTS), name, "0.02"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{name}: ")
