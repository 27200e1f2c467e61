#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_container_info
short_description: List the conversations of a host and the layers that protect them
description:
  - Returns the containers that M(bulkhead.workspace.workspace_container) made, each with its state and what the kernel
    says of its seven layers at this moment.
version_added: 1.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._attributes.info_module
  - bulkhead.workspace._docker
options:
  conversation_id:
    description: Look at this conversation only. Without it, at all of them.
    type: str
  secret_files:
    description:
      - Files on the target that hold the credentials. Their content is searched for in the memory, the environment and
        the writable files of each container, as evidence for layer L6. The secret itself is never returned.
    type: list
    elements: path
    default: []
seealso:
  - module: bulkhead.workspace.workspace_container
"""

EXAMPLES = r"""
- name: Look at every conversation of the host
  bulkhead.workspace.workspace_container_info:
  register: workspaces

- name: Fail unless every layer of every conversation is in force
  ansible.builtin.assert:
    that: item.value.status == 'enforced'
    fail_msg: "{{ item.key }}: {{ item.value.evidence }}"
  loop: "{{ workspaces.conversations | map(attribute='layers') | map('dict2items') | flatten }}"
  loop_control:
    label: "{{ item.key }}"
"""

RETURN = r"""
conversations:
  description: One entry for each conversation, in the order of their identifiers.
  returned: success
  type: list
  elements: dict
  sample:
    - conversation_id: 7f3c2a
      container:
        id: 3b4f1c0d9a5e
        name: ws-7f3c2a
        state: running
        image: sha256:aa11bb22cc33
      volumes:
        /workspace: ws-7f3c2a-workspace
        /opt/venv: ws-7f3c2a-venv
      started_at: "2026-01-05T08:15:00.000000000Z"
      specification: 5be1f0c2
      layers:
        L4:
          status: enforced
          evidence: "network none; interfaces: lo; 0 routes"
  contains:
    conversation_id:
      description: The conversation.
      type: str
      returned: success
    container:
      description: Identifier, name, state and image of the container.
      type: dict
      returned: success
    volumes:
      description: Names of the volumes by the path where they are mounted.
      type: dict
      returned: success
    started_at:
      description: When the container was started last.
      type: str
      returned: success
    specification:
      description: A hash of everything that the container was created with.
      type: str
      returned: success
    layers:
      description: Status and evidence of the layers L1 to L7.
      type: dict
      returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.arguments import (
    DOCKER_HOST,
    SECRET_FILES,
    failing,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.listing import conversations


def run(module: AnsibleModule) -> list[dict[str, Any]]:
    """Looks at the conversations."""
    wanted = module.params["conversation_id"]
    if wanted is not None:
        try:
            parse.conversation_id(wanted)
        except ValueError as error:
            raise InvalidRequestError("look at a conversation", [f"conversation_id: {error}"]) from error
    return conversations(Driver(module.params["docker_host"]), wanted, module.params["secret_files"])


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"conversation_id": {"type": "str"}, "docker_host": DOCKER_HOST, "secret_files": SECRET_FILES},
        supports_check_mode=True,
    )
    with failing(module):
        module.exit_json(changed=False, conversations=run(module))


if __name__ == "__main__":
    main()
