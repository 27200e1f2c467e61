# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the apparmor role: its policy data -> profile, and problems of the variables in it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: apparmor_profile
short_description: Render the policy of the apparmor role
version_added: 1.0.0
description:
  - Turns the policy data of the apparmor role into the text of an AppArmor profile.
  - The same input always gives the same text.
options:
  _input:
    description: The policy, as C(vars/main/main.yml) of the role puts it together.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the profile
  ansible.builtin.copy:
    content: "{{ policy | bulkhead.workspace.apparmor_profile }}"
    dest: /etc/apparmor.d/workspace-container
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The profile as text.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _apparmor


def apparmor_profile(policy: _apparmor.Policy) -> str:
    problems = _apparmor.wish_problems(policy)
    if problems:
        raise AnsibleFilterError(f"cannot render the AppArmor profile: {'; '.join(problems)}")
    return _apparmor.render_profile(policy)


class FilterModule:
    """The collection's filters for AppArmor profiles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"apparmor_profile": apparmor_profile, "apparmor_problems": _apparmor.wish_problems}
