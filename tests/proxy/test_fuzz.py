# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short look with the fuzzer; ``make long-fuzz`` takes an hour."""

from __future__ import annotations

import pytest

from proxy.fuzz import ACTS, main

# What every byte of a container comes through: parser and policy, and the first message of a tunnel.
LONGER = ("request", "hello")


@pytest.mark.parametrize("target", ACTS)
def test_mutations(target: str) -> None:
    assert main(target, seconds=60.0 if target in LONGER else 8.0, seed=20261122) == 0
