# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the guides that can be counted are those of the files that they speak of."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def allowed(profile: str) -> int:
    """How many system calls a rendered profile allows, for some arguments at least."""
    rules = json.loads((ROOT / "deployment" / "seccomp" / profile).read_text())["syscalls"]
    return len({name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]})


def test_the_system_calls_of_both_levels() -> None:
    guide = (ROOT / "docs" / "guide-profiles.md").read_text()
    said = re.search(r"level `standard` (\d+), level `strict` (\d+)\.", guide)
    assert said
    assert [int(count) for count in said.groups()] == [
        allowed("workspace-seccomp.json"),
        allowed("workspace-seccomp-strict.json"),
    ]
