# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's policy as options of the module, with the size filter off that Ceph does not have."""

from __future__ import annotations

from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle import retention
from generate import role_variable


def rules(**changes: Any) -> list[dict[str, Any]]:
    policy: dict[str, Any] = role_variable("s3_lifecycle", "__s3_lifecycle_policy")
    return retention.retention_rules(**{**policy, "archive_minimum_bytes": 0, **changes})
