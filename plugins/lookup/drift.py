# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands what the callback drift has collected to a play."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift
short_description: What this run has found to differ on a host
version_added: 2.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
description:
  - Returns what the callback plugin P(bulkhead.workspace.drift#callback) has collected earlier in the same run.
options:
  _terms:
    description: Names of hosts.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Fail where something would change
  ansible.builtin.assert:
    that: query('bulkhead.workspace.drift', inventory_hostname) | length == 0
"""

RETURN = r"""
_raw:
  description: A line for each difference of these hosts.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _drift


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core is not typed
    """One line a difference."""

    def run(self, terms: list[str], **_options: Any) -> list[str]:
        if _drift.FOUND is None:
            raise AnsibleLookupError(
                "cannot tell what differs: nothing has collected it; "
                "set ANSIBLE_CALLBACKS_ENABLED=bulkhead.workspace.drift"
            )
        return [entry.line() for host in terms for entry in _drift.FOUND.get(host, [])]
