#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_probe
short_description: Attack a workspace container and report what happened
description:
  - Tries forbidden acts inside the running container of a conversation.
  - Each act has a control, the very same act in a plain container without the defence, which must succeed there. An
    act that fails in both places proves nothing, and is reported as not proven.
  - The acts are bounded in time and size, clean up behind them, and do not harm the host. Programs in the container
    may feel them, since its processes, memory and disk are used up for some seconds.
version_added: 1.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._attributes.info_module
  - bulkhead.workspace._docker
attributes:
  check_mode:
    details:
      - In check mode nothing is attacked, and RV(attacks) is empty.
options:
  conversation_id:
    description: The conversation whose container is attacked. It must run.
    type: str
    required: true
  probes:
    description:
      - The acts to try.
      - V(fork_bomb) starts more processes than the limit allows. V(disk_fill) takes more of C(/workspace) than its
        size. V(memory_hog) touches more memory than the limit. V(root_write) writes to the root file system as root.
        V(metadata_contact) connects to the cloud's metadata service.
    type: list
    elements: str
    choices: [fork_bomb, disk_fill, memory_hog, root_write, metadata_contact]
    default: [fork_bomb, disk_fill, memory_hog, root_write, metadata_contact]
  control:
    description: Whether to run the controls. Without them nothing counts as proven.
    type: bool
    default: true
seealso:
  - module: bulkhead.workspace.workspace_container
"""

EXAMPLES = r"""
- name: Attack the workspace of a conversation
  bulkhead.workspace.workspace_probe:
    conversation_id: 7f3c2a
  register: probed

- name: Fail unless every attack was blocked, and every control succeeded
  ansible.builtin.assert:
    that: probed.proven
    fail_msg: "{{ probed.attacks | dict2items | rejectattr('value.proven') }}"
"""

RETURN = r"""
attacks:
  description:
    - The verdicts by probe. C(blocked) tells whether the act failed inside, C(evidence) how, with the kernel's counters
      of hit limits.
    - C(control) tells how the same act went in a plain container. Its C(status) is V(run) or V(not run), the latter
      with the reason in C(evidence).
    - C(proven) is true only if the act was blocked inside and succeeded in the control.
  returned: success
  type: dict
  sample:
    fork_bomb:
      layer: L3
      title: Start more processes than the limit allows
      references:
        - "security design, table of destructive commands: fork bomb"
      blocked: true
      evidence: 252 of 320 children, Resource temporarily unavailable; pids.events max +1
      control:
        status: run
        succeeded: true
        evidence: 320 of 320 children, no error
      proven: true
blocked:
  description: Whether every act was blocked.
  returned: success
  type: bool
  sample: true
proven:
  description: Whether every act was blocked, and every control succeeded.
  returned: success
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.arguments import DOCKER_HOST, failing
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.attack import attack
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.probes.catalogue import PROBES

# Longer than any probe runs: the daemon says nothing while a program in a container says nothing.
DOCKER_TIMEOUT = 240


def run(module: AnsibleModule) -> dict[str, Any]:
    """Runs the chosen probes."""
    params = module.params
    try:
        conversation_id = parse.conversation_id(params["conversation_id"])
    except ValueError as error:
        raise InvalidRequestError("probe a conversation", [f"conversation_id: {error}"]) from error
    if module.check_mode:
        return {}
    chosen = [PROBES[name] for name in dict.fromkeys(params["probes"])]
    return attack(Driver(params["docker_host"], DOCKER_TIMEOUT), conversation_id, chosen, control=params["control"])


def main() -> None:
    """Entry point."""
    names = list(PROBES)
    module = AnsibleModule(
        argument_spec={
            "conversation_id": {"type": "str", "required": True},
            "docker_host": DOCKER_HOST,
            "probes": {"type": "list", "elements": "str", "choices": names, "default": names},
            "control": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    with failing(module):
        attacks = run(module)
        module.exit_json(
            changed=False,
            attacks=attacks,
            blocked=all(verdict["blocked"] for verdict in attacks.values()),
            proven=bool(attacks) and all(verdict["proven"] for verdict in attacks.values()),
        )


if __name__ == "__main__":
    main()
