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
  - bulkhead.workspace._container
  - bulkhead.workspace._docker
  - bulkhead.workspace._s3.archive
attributes:
  check_mode:
    details:
      - What is predicted is what the next run does. The layers cannot be foretold of a container that does not run yet.
  diff_mode:
    details:
      - Shows each differing field by name. The seccomp profile is shown as a digest.
options:
  state:
    description:
      - V(started) creates the container if needed and returns when its main process runs, and is healthy if the
        image has a health check.
      - V(stopped) creates it if needed and stops it. V(present) creates it if needed, and leaves it running or not.
      - V(absent) removes the container, its volumes with all files, and closes the conversation at the proxy.
    type: str
    choices: [present, started, stopped, absent]
    default: started
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
      - A file whose name ends in C(.cred) is decrypted by C(systemd-creds) first; see
        M(bulkhead.workspace.encrypted_credentials).
    type: list
    elements: path
    default: []
  workspaces:
    description:
      - Several conversations at once, instead of O(conversation_id). They are created side by side, which is much
        faster than a loop over the task, and one that fails does not harm the others.
      - Each entry has C(conversation_id), and may have any other option of this module but O(docker_host) and
        O(archive) with a value of its own. The options of the task hold for all entries that do not have their own.
      - An entry with a wrong option refuses the whole task before anything is changed. What goes wrong later is told
        for each conversation in RV(workspaces), and fails the task when all are done.
    type: list
    elements: dict
    version_added: 2.0.0
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

- name: Start several at once, one of them with more memory, each for eight hours
  bulkhead.workspace.workspace_container:
    image: bulkhead/workspace:demo
    expires_after: 8h
    workspaces:
      - conversation_id: 7f3c2a
      - conversation_id: 91b0de
      - conversation_id: c44a17
        memory: 4g

- name: Remove the workspace, but only when its files are saved
  bulkhead.workspace.workspace_container:
    conversation_id: 7f3c2a
    state: absent
    archive:
      bucket: example-archives
      region: eu-central-1

- name: Remove the workspace with all its files
  bulkhead.workspace.workspace_container:
    conversation_id: 7f3c2a
    state: absent
"""

RETURN = r"""
conversation_id:
  description: The conversation.
  returned: success with O(conversation_id)
  type: str
  sample: 7f3c2a
container:
  description: The container, or what there was of it in check mode; empty when there is none.
  returned: success with O(conversation_id)
  type: dict
  sample:
    id: 3b4f1c0d9a5e
    name: ws-7f3c2a
    state: running
    image: sha256:aa11bb22cc33
volumes:
  description: The volumes of the container, by the path where they are mounted.
  returned: success with O(conversation_id)
  type: dict
  sample:
    /workspace: ws-7f3c2a-workspace
    /opt/venv: ws-7f3c2a-venv
actions:
  description: What was done, in order; in check mode what would be done.
  returned: success with O(conversation_id)
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
  returned: success with O(conversation_id)
  type: list
  elements: str
  sample:
    - container ws-7f3c2a does not exist
    - the container is not running
differences:
  description: The fields in which the live container differed from the specification.
  returned: success with O(conversation_id)
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
workspaces:
  description:
    - With O(workspaces), the result of each conversation in the order of the entries. Each has C(failed); one that
      failed has C(msg), and C(problems) or C(layers) where they apply; any other has the values above and C(warnings).
  returned: if O(workspaces) is given
  type: list
  elements: dict
  sample:
    - conversation_id: 7f3c2a
      failed: false
      changed: false
      warnings: []
      actions: []
    - conversation_id: 91b0de
      failed: true
      changed: false
      msg: "cannot prepare the workspace of conversation 91b0de: image: Docker on host1 has no image no/such:image"
image:
  description:
    - What the image names as its user, and its setuid and setgid files. Both are without effect in a workspace, and
      warned of when a container is made of the image. Empty for a container that does not run.
  returned: success with O(conversation_id)
  type: dict
  sample:
    user: "1000:1000"
    setuid_files: [/usr/bin/passwd]
archive:
  description: What was saved, see M(bulkhead.workspace.workspace_archive); empty without O(archive).
  returned: success with O(conversation_id)
  type: dict
  sample: {}
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
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.batch import batch_result
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.report import outcome_result
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.service import keep, keep_one
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.wish import build_wish, build_wishes


def run(module: AnsibleModule) -> dict[str, Any]:
    """Brings the conversations into their states."""
    params: dict[str, Any] = module.params
    if params["workspaces"] is not None:
        wishes = build_wishes(params, params["workspaces"])
        return batch_result(wishes, keep(Driver(params["docker_host"]), wishes, dry_run=module.check_mode))
    wish = build_wish(params)
    outcome = keep_one(Driver(params["docker_host"]), wish, dry_run=module.check_mode)
    for warning in outcome.warnings:
        module.warn(warning)
    return outcome_result(wish.conversation_id, outcome)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=container_arguments(),
        required_one_of=[("conversation_id", "workspaces")],
        mutually_exclusive=[("conversation_id", "workspaces")],
        supports_check_mode=True,
    )
    with failing(module):
        result = run(module)
        if result.get("failed"):
            module.fail_json(**result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
