# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the seccomp role: its policy data -> profile, problems, and what the user's additions open."""

from __future__ import annotations

DOCUMENTATION = r"""
name: seccomp_profile
short_description: Render the policy of the seccomp role
version_added: 1.0.0
description:
  - Turns the policy data of the role P(bulkhead.workspace.seccomp#role) into a seccomp profile for container runtimes.
  - The same input always gives the same text.
positional: _input, extra_allowed, extra_denied
options:
  _input:
    description: The policy, with the tables C(allow), C(filters), C(deny) and the list C(architectures).
    type: dict
    required: true
  extra_allowed:
    description: Names of refused calls to allow. Sealed ones are an error.
    type: list
    elements: str
    default: []
  extra_denied:
    description: Names of allowed calls to refuse.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Write the profile
  ansible.builtin.copy:
    content: "{{ policy | bulkhead.workspace.seccomp_profile(extra_denied=['memfd_create']) }}"
    dest: /etc/bulkhead/seccomp/workspace-seccomp.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The profile as JSON text.
  type: str
"""

from collections.abc import Callable, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _seccomp


def seccomp_profile(
    policy: _seccomp.Policy, extra_allowed: Sequence[str] = (), extra_denied: Sequence[str] = ()
) -> str:
    try:
        return _seccomp.profile_text(_seccomp.render_profile(policy, extra_allowed, extra_denied))
    except _seccomp.PolicyError as error:
        raise AnsibleFilterError(f"cannot render the seccomp profile: {error}") from error


def seccomp_problems(
    policy: _seccomp.Policy, extra_allowed: Sequence[str] = (), extra_denied: Sequence[str] = ()
) -> list[str]:
    return _seccomp.policy_problems(policy) + _seccomp.wish_problems(policy, extra_allowed, extra_denied)


class FilterModule:
    """The collection's filters for seccomp profiles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "seccomp_profile": seccomp_profile,
            "seccomp_problems": seccomp_problems,
            "seccomp_opened": _seccomp.opened_by,
        }
