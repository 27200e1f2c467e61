#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_role_variables
short_description: Refuse misspelt and mistyped variables of the collection's roles
description:
  - Compares the variables whose names begin with a role's name with the role's argument specification. A specification
    by itself checks the variables that it knows, so a misspelt one would be ignored in silence, and with it the wall
    that it was meant to raise.
  - Reports every problem of every role at once. Runs on the controller and asks nothing of the host.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
attributes:
  check_mode:
    description: Can run in check mode and tell what would change.
    support: full
  diff_mode:
    description: Shows differences in diff mode.
    support: none
options:
  roles:
    description: Names of roles of this collection, without its namespace.
    type: list
    elements: str
    required: true
  values:
    description:
      - Whether types and choices of the values are checked, too. A role needs only the names, because Ansible checks
        the values when it enters the role; a playbook that asks before the first role wants both.
      - Options that hold a secret are left to the role, whose errors do not show them.
      - A value that refers to facts can be checked only where facts were gathered before.
    type: bool
    default: true
  extra_only:
    description:
      - Variables that a playbook reads where there is no host yet, such as that of C(serial). Ansible knows them there
        only if they are extra variables (C(-e)). Set in an inventory they would be ignored in silence, so they are
        refused.
    type: list
    elements: str
    default: []
seealso:
  - module: ansible.builtin.validate_argument_spec
"""

EXAMPLES = r"""
- name: Refuse misspelt variables before the first role
  bulkhead.workspace.check_role_variables:
    roles: [xfs_quota, docker_userns]

- name: Refuse a batch size that no play would see
  bulkhead.workspace.check_role_variables:
    roles: []
    extra_only: [workspace_serial]
"""

RETURN = r"""
problems:
  description: What is wrong, one sentence each.
  returned: always
  type: list
  elements: str
  sample:
    - "the role xfs_quota cannot use xfs_quota_size: 'vault_size' is undefined"
"""
