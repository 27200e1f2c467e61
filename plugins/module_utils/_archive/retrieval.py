# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an object in an archive class takes until it can be read. Pure.

Note that this module util is PRIVATE to the collection.

The times are those of the Amazon S3 User Guide, "Archive retrieval options".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TIMES: dict[str, dict[str, str]] = {
    "GLACIER": {"expedited": "1 to 5 minutes", "standard": "3 to 5 hours", "bulk": "5 to 12 hours"},
    "DEEP_ARCHIVE": {"standard": "up to 12 hours", "bulk": "up to 48 hours"},
}


def choices(storage_class: str) -> str:
    """The times as a sentence's part."""
    return ", ".join(f"{tier} {time}" for tier, time in TIMES.get(storage_class, {}).items())


def under_way(head: Mapping[str, Any]) -> bool:
    """Whether a retrieval was requested already and is not done: what HeadObject says."""
    return 'ongoing-request="true"' in str(head.get("Restore", ""))


def problem(storage_class: str, tier: str) -> str:
    """Why a retrieval cannot be requested in this way; empty when it can."""
    times = TIMES.get(storage_class)
    if times is None:
        return f"it is in class {storage_class}, which this version does not know as an archive; ask for it by hand"
    if tier not in times:
        return f"there is no {tier} retrieval from {storage_class}; choose from {choices(storage_class)}"
    return ""
