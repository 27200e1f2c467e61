# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight of a roll-out asks the bucket in the same words as the role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]


def defaults(file: str) -> Any:
    """What the file's first task gives to the modules below it."""
    return yaml.safe_load((ROOT / file).read_text())[0]["module_defaults"]


def test_the_preflight_gives_the_module_what_the_role_gives_it() -> None:
    assert defaults("playbooks/tasks/preflight_storage.yml") == defaults("roles/s3_lifecycle/tasks/main.yml")
