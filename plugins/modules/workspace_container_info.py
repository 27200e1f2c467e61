#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_container_info
short_description: List the conversations of a host and the layers that protect them
description:
  - Returns the containers that M(bulkhead.workspace.workspace_container) made, each with its state, what the kernel
    says of its seven layers at this moment, what it uses beside what it may use, and which limits it met.
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
      - A file whose name ends in C(.cred) is decrypted by C(systemd-creds) first; see
        M(bulkhead.workspace.encrypted_credentials).
    type: list
    elements: path
    default: []
  audit_log:
    description: The credential proxy's audit log, for requests that were refused.
    type: path
    default: /var/log/credential_proxy/audit.jsonl
    version_added: 2.0.0
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

- name: Tell why conversations stopped or suffered
  ansible.builtin.debug:
    msg: "{{ item.conversation_id }}: {{ item.events | map(attribute='evidence') | join('; ') }}"
  loop: "{{ workspaces.conversations | selectattr('events') }}"
  loop_control:
    label: "{{ item.conversation_id }}"
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
      usage:
        cpu: {seconds: 12.5, throttled_seconds: 0.3, limit: 2.0}
        memory: {used: 104857600, peak: 536870912, limit: 2147483648}
        pids: {used: 4, peak: 31, limit: 256}
        disk:
          /workspace: {used: 8192, limit: 4294967296}
      events:
        - type: oom
          count: 1
          last:
          evidence: memory.events oom_kill 1
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
    usage:
      description:
        - What the container uses beside its limit. Sizes are in bytes, processor limits in cores.
        - Empty for a container that does not run. A figure that the kernel does not keep is null.
      type: dict
      returned: success
    events:
      description:
        - The limits that the conversation met, by the kernel's counters and logs, the quotas and the proxy's audit log.
        - Each has C(type), which is V(oom), V(pids_max), V(disk_full), V(cpu_throttled), V(seccomp_denied),
          V(apparmor_denied) or V(egress_denied), and C(count), C(last) (a time, or null) and C(evidence).
        - The logs reach back as far as the kernel's ring buffer and the last eight mebibytes of the audit log.
        - The kernel logs a call that seccomp refuses only where the profile or the host says so.
      type: list
      elements: dict
      returned: success
host_events:
  description:
    - Denials by AppArmor and seccomp that fit no single conversation, because the process is gone and several
      conversations ran at that time, or none did.
  returned: success
  type: list
  elements: dict
  sample:
    - type: apparmor_denied
      count: 2
      last: "2026-01-05T08:15:00+00:00"
      evidence: "the last: open /etc/shadow by cat (profile workspace-container)"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.arguments import (
    DOCKER_HOST,
    SECRET_FILES,
    failing,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.audit_log import AUDIT_LOG
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.listing import Listing, conversations


def run(module: AnsibleModule) -> Listing:
    """Looks at the conversations."""
    wanted = module.params["conversation_id"]
    if wanted is not None:
        try:
            parse.conversation_id(wanted)
        except ValueError as error:
            raise InvalidRequestError("look at a conversation", [f"conversation_id: {error}"]) from error
    driver = Driver(module.params["docker_host"])
    return conversations(driver, wanted, module.params["secret_files"], module.params["audit_log"])


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "conversation_id": {"type": "str"},
            "docker_host": DOCKER_HOST,
            "secret_files": SECRET_FILES,
            "audit_log": {"type": "path", "default": AUDIT_LOG},
        },
        supports_check_mode=True,
    )
    with failing(module):
        found = run(module)
        module.exit_json(changed=False, conversations=found.conversations, host_events=found.host_events)


if __name__ == "__main__":
    main()
