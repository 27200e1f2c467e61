# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where images and machines live on disk."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
HOME = Path(os.environ.get("BULKHEAD_VM_HOME", CHECKOUT / "build" / "vm"))


def images() -> Path:
    """Baked images, one folder per recipe digest; never written to after baking."""
    return HOME / "images"


def machines() -> Path:
    """One folder per machine: overlay, console log, ssh configuration, inventory."""
    return HOME / "machines"


def machine(name: str) -> Path:
    return machines() / name
