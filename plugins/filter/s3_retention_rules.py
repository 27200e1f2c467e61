# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the s3_lifecycle role: its variables -> rules for the module s3_bucket_lifecycle."""

from __future__ import annotations

DOCUMENTATION = r"""
name: s3_retention_rules
short_description: Lifecycle rules for a retention policy
version_added: 1.0.0
description:
  - Turns a retention policy into entries for the option O(bulkhead.workspace.s3_bucket_lifecycle#module:rules).
options:
  _input:
    description:
      - The policy, with the keys C(prefix), C(noncurrent_days), C(archive_days), C(archive_class),
        C(archive_minimum_bytes), C(expire_days), C(expire_frees_bytes) and C(abort_upload_days).
      - With C(expire_frees_bytes), the bytes are gone on C(expire_days), and the object is hidden earlier.
      - A number of days of V(0) leaves its rule out.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the rules
  ansible.builtin.debug:
    msg: "{{ policy | bulkhead.workspace.s3_retention_rules }}"
"""

RETURN = r"""
_value:
  description: The rules.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._s3_lifecycle import retention


def s3_retention_rules(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    return retention.retention_rules(**policy)


def s3_retention_absent_ids(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    return retention.absent_ids(rules)


class FilterModule:
    """The collection's filters for retention policies."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"s3_retention_rules": s3_retention_rules, "s3_retention_absent_ids": s3_retention_absent_ids}
