# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this doc fragment is **PRIVATE** to the collection.
from __future__ import annotations


class ModuleDocFragment:
    # The option and the return value of modules that stop or restart Docker.
    DOCUMENTATION = r"""
options:
  drain:
    description:
      - Consent to stop running containers where Docker has to be stopped or restarted.
      - Meanwhile the file C(/run/bulkhead/draining) exists, and no conversation is started on the host.
    type: dict
    suboptions:
      workspaces:
        description:
          - Whether conversations may be drained. They get O(drain.deadline) seconds to end by themselves. Those that
            still run then are stopped.
        type: bool
        default: false
      others:
        description:
          - Names of containers that are no conversations and may be stopped. They are started again afterwards, unless
            the change hides them.
        type: list
        elements: str
        default: []
      deadline:
        description: How many seconds to wait for conversations to end.
        type: int
        default: 600
      grace:
        description: How many seconds a container has between the request to stop and its end by force.
        type: int
        default: 30
"""
