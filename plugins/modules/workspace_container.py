#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_container
short_description: Create, start, stop and remove the hardened container of one conversation
description:
  - Keeps one container for each conversation of an AI agent, with seven layers of defence around it. The defaults are
    the values for production.
  - Layer L1 isolates the container (own namespaces, cgroup v2, a user that is not root, never privileged).
    L2 is the seccomp and the AppArmor profile. L3 limits processor, memory, processes and disk. L4 leaves the container
    without network. L5 makes the root file system read-only and every other one small. L6 keeps credentials outside,
    with a proxy as the only door. L7 maps the container's users to unprivileged ones of the host.
  - After the start the kernel is asked for the truth about each layer. If it does not confirm one of
    O(required_layers), everything that the task had made is removed again, and the task fails with the evidence.
  - Comparison with a live container is strict. Whatever the container has more than specified is a difference too.
  - Only containers and volumes with the label C(io.bulkhead.workspace.conversation) of the conversation are touched.
version_added: 1.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._attributes
  - bulkhead.workspace._docker
attributes:
  check_mode:
    details:
      - What is predicted is what the next run does. The layers cannot be foretold of a container that does not run yet.
  diff_mode:
    details:
      - Shows each differing field by name. The seccomp profile is shown as a digest.
options:
  conversation_id:
    description:
      - The conversation. It names the container V(ws-ID), the volumes V(ws-ID-workspace) and V(ws-ID-venv),
        the labels and the directory of the proxy's socket.
      - 1 to 48 letters, digits, C(_) and C(-), beginning with a letter or digit.
    type: str
    required: true
  state:
    description:
      - V(started) creates the container if needed and returns when its main process runs, and is healthy if the
        image has a health check.
      - V(stopped) creates it if needed and stops it. V(present) creates it if needed, and leaves it running or not.
      - V(absent) removes the container, its volumes with all files, and closes the conversation at the proxy.
    type: str
    choices: [present, started, stopped, absent]
    default: started
  image:
    description:
      - Reference or identifier of the image. Required unless O(state=absent).
      - The image must be on the host already, and is never pulled. It must have C(/workspace) and C(/opt/venv),
        owned by O(user), since new volumes take their owner from there.
    type: str
  runtime:
    description:
      - The runtime, one of those that the daemon knows.
      - Under V(runsc) the profiles of layer L2 do not apply inside, and the report says so.
    type: str
    default: runc
  user:
    description: Numeric user and group inside the container. Root is refused.
    type: str
    default: "1000:1000"
  capabilities:
    description:
      - Capabilities that stay in the bounding set; all others are dropped. Only the four of the default may be chosen.
    type: list
    elements: str
    default: [CHOWN, SETUID, SETGID, DAC_OVERRIDE]
  seccomp_profile:
    description:
      - Path of the seccomp profile on the target. An edited file is a difference to a container made with the old one.
      - An empty string leaves the container with Docker's own profile, which does not count as layer L2.
      - If not given, the environment variable E(SECCOMP_PROFILE_PATH) is used.
    type: str
    default: /etc/bulkhead/seccomp/workspace-seccomp.json
  apparmor_profile:
    description:
      - Name of the AppArmor profile, which must be loaded. An empty string leaves the container with Docker's own.
      - If not given, the environment variable E(APPARMOR_PROFILE_NAME) is used.
    type: str
    default: workspace-container
  userns_remap:
    description:
      - Whether to insist on a Docker daemon that maps the users of containers. V(false) or an empty string takes the
        daemon as it is.
      - If not given, the environment variable E(USERNS_REMAP_ENABLED) is used.
    type: str
    default: "true"
  cpu_quota:
    description:
      - Processor time in microseconds for each O(cpu_period). The default is two cores. An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_CPU_QUOTA) is used.
    type: str
    default: "200000"
  cpu_period:
    description: Length of the scheduler's period in microseconds.
    type: int
    default: 100000
  memory:
    description:
      - Memory, such as V(2g). Swap is always off. An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_MEMORY_LIMIT) is used.
    type: str
    default: 2g
  pids_limit:
    description:
      - Number of processes and threads. V(100) suits small agents. An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_PIDS_LIMIT) is used.
    type: str
    default: "256"
  disk_limit:
    description:
      - Disk space for C(/workspace) and C(/opt/venv) together. It needs Docker's data on XFS with project quota.
        An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_DISK_LIMIT) is used.
    type: str
    default: 5g
  venv_size:
    description: The part of O(disk_limit) that C(/opt/venv) gets. C(/workspace) gets the rest.
    type: str
    default: 1g
  workspace_storage:
    description: Whether C(/workspace) is a volume with a size, or a memory file system.
    type: str
    choices: [volume, tmpfs]
    default: volume
  workspace_tmpfs_size:
    description: Size of C(/workspace) with O(workspace_storage=tmpfs). It counts against O(memory).
    type: str
    default: 1g
  tmpfs:
    description:
      - The memory file systems. None is executable, and none honours setuid bits.
      - Together with O(shm_size) they must leave something of O(memory).
    type: list
    elements: dict
    default:
      - path: /tmp
        size: 512m
      - path: /var/tmp
        size: 256m
      - path: /run
        size: 64m
        mode: "0755"
        owned: true
      - path: /home/appuser
        size: 128m
        mode: "0700"
        owned: true
      - path: /home/appuser/.cache
        size: 512m
        mode: "0700"
        owned: true
    suboptions:
      path:
        description: Where it is mounted.
        type: path
        required: true
      size:
        description: Its size.
        type: str
        required: true
      mode:
        description: Mode of its top directory.
        type: str
        default: "1777"
      owned:
        description: Whether its top directory belongs to O(user).
        type: bool
        default: false
  shm_size:
    description: Size of C(/dev/shm).
    type: str
    default: 64m
  read_only_root:
    description: Whether the root file system is read-only.
    type: bool
    default: true
  network:
    description: The network. The host's and another container's are refused.
    type: str
    default: none
  proxy:
    description:
      - Whether to open the conversation at the host's credential proxy, and to mount the directory of its socket
        read-only at C(/run/proxy). E(ANTHROPIC_BASE_URL) in the container then leads to the image's forwarder.
    type: bool
    default: true
  proxy_control_socket:
    description: Control socket of the credential proxy.
    type: path
    default: /run/credential_proxy/control.sock
  proxy_directory:
    description: Directory in which the credential proxy keeps one directory for each conversation.
    type: path
    default: /var/lib/credential_proxy/conversations
  environment:
    description: Further environment variables. Names that look like a credential are refused.
    type: dict
    default: {}
  command:
    description: The program to run instead of the image's own.
    type: list
    elements: str
  init:
    description: Whether Docker's small init process runs as the first one, and buries the dead.
    type: bool
    default: true
  stop_timeout:
    description: Seconds between the request to stop and the end by force.
    type: int
    default: 10
  start_timeout:
    description: Seconds within which the main process must run (and be healthy).
    type: int
    default: 30
  recreate:
    description:
      - Whether a container may be replaced when it differs where Docker cannot change it in place. The files in
        its volumes are kept; what runs in it is stopped.
      - Without it, such a difference is an error that lists every field. Changed limits are always mended in place.
    type: bool
    default: false
  required_layers:
    description:
      - Layers that must be in force for the task to succeed. An option that switches one of them off is refused
        before anything is changed.
    type: list
    elements: str
    choices: [L1, L2, L3, L4, L5, L6, L7]
    default: [L1, L2, L3, L4, L5, L6, L7]
  secret_files:
    description:
      - Files on the target that hold the credentials. Their content is searched for in the memory, the environment and
        the writable files of the container, as evidence for layer L6. The secret itself is never returned.
    type: list
    elements: path
    default: []
seealso:
  - module: bulkhead.workspace.workspace_container_info
  - module: bulkhead.workspace.workspace_probe
"""

EXAMPLES = r"""
- name: Start the workspace of a conversation
  bulkhead.workspace.workspace_container:
    conversation_id: 7f3c2a
    image: bulkhead/workspace:demo

- name: Start one with less memory, and show that the credentials are not in it
  bulkhead.workspace.workspace_container:
    conversation_id: 7f3c2a
    image: bulkhead/workspace:demo
    memory: 1g
    tmpfs:
      - path: /tmp
        size: 256m
      - path: /home/appuser
        size: 128m
        mode: "0700"
        owned: true
    secret_files:
      - /etc/credential_proxy/credentials/anthropic

- name: Start one on a developer's machine, without AppArmor and user namespaces
  bulkhead.workspace.workspace_container:
    conversation_id: try
    image: bulkhead/workspace:demo
    apparmor_profile: ""
    userns_remap: "false"
    required_layers: [L1, L3, L4, L5, L6]

- name: Remove the workspace with all its files
  bulkhead.workspace.workspace_container:
    conversation_id: 7f3c2a
    state: absent
"""

RETURN = r"""
conversation_id:
  description: The conversation.
  returned: success
  type: str
  sample: 7f3c2a
container:
  description: The container, or what there was of it in check mode; empty when there is none.
  returned: success
  type: dict
  sample:
    id: 3b4f1c0d9a5e
    name: ws-7f3c2a
    state: running
    image: sha256:aa11bb22cc33
volumes:
  description: The volumes of the container, by the path where they are mounted.
  returned: success
  type: dict
  sample:
    /workspace: ws-7f3c2a-workspace
    /opt/venv: ws-7f3c2a-venv
actions:
  description: What was done, in order; in check mode what would be done.
  returned: success
  type: list
  elements: str
  sample:
    - open proxy 7f3c2a
    - create volume ws-7f3c2a-workspace
    - create volume ws-7f3c2a-venv
    - create container ws-7f3c2a
    - start ws-7f3c2a
reasons:
  description: Why, one entry for each thing that was not as specified.
  returned: success
  type: list
  elements: str
  sample:
    - container ws-7f3c2a does not exist
    - the container is not running
differences:
  description: The fields in which the live container differed from the specification.
  returned: success
  type: list
  elements: dict
  sample:
    - name: memory
      live: 1073741824
      wanted: 2147483648
layers:
  description:
    - What the kernel says of each layer. The status is V(enforced), V(not_enforced) or V(not_applicable).
    - Empty in check mode when the container would be changed.
  returned: success, or failure because of a layer
  type: dict
  sample:
    L7:
      status: enforced
      evidence: own user namespace; uid_map 0->100000 (65536); on the host the processes belong to uid 101000
problems:
  description: Everything that is wrong with the task or the host.
  returned: failure before any change
  type: list
  elements: str
  sample:
    - "memory (or environment variable CONTAINER_MEMORY_LIMIT): '2 gb' is no size; write a positive number with K, M,
      G or T, for example 512M"
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.arguments import (
    container_arguments,
    failing,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.report import outcome_result
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.request import build_request
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.service import Outcome, absent, present


def run(module: AnsibleModule) -> Outcome:
    """Brings the conversation into the wanted state."""
    params: dict[str, Any] = module.params
    if params["state"] == "absent":
        request = build_request({**params, "image": params["image"] or "absent"})
        return absent(Driver(params["docker_host"]), request, dry_run=module.check_mode)
    request = build_request(params, tuple(params["required_layers"]))
    return present(
        Driver(params["docker_host"]),
        request,
        state=params["state"],
        recreate=params["recreate"],
        required_layers=params["required_layers"],
        secret_files=params["secret_files"],
        start_timeout=params["start_timeout"],
        dry_run=module.check_mode,
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=container_arguments(),
        required_if=[("state", name, ("image",)) for name in ("present", "started", "stopped")],
        supports_check_mode=True,
    )
    with failing(module):
        outcome = run(module)
        for warning in outcome.warnings:
            module.warn(warning)
        module.exit_json(**outcome_result(module.params["conversation_id"], outcome))


if __name__ == "__main__":
    main()
