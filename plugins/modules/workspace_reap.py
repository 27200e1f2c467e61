#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_reap
short_description: Remove conversations that have come to their end, and what others left behind
description:
  - Removes the conversations of a host whose C(expires_after) or C(idle_after) is over, see
    M(bulkhead.workspace.workspace_container), with their containers, volumes and sockets.
  - Removes orphans too, which are volumes and sockets of a conversation that has no container. An interrupted run may
    leave such things behind.
  - A conversation without these labels, or whose time is not over, is never touched. Each one is looked at again under
    its lock before anything goes.
  - Idleness is seen from one run to the next, so the module must run regularly. The role
    P(bulkhead.workspace.workspace_reaper#role) has a systemd timer run the same program.
version_added: 2.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._attributes
  - bulkhead.workspace._docker
attributes:
  check_mode:
    details:
      - Says what would be removed. The activity of containers is not noted.
  diff_mode:
    details:
      - Shows the conversations before and after.
options:
  orphan_grace:
    description: How old volumes or a socket without a container must be, such as V(10m), to count as left behind.
    type: str
    default: 10m
  proxy_control_socket:
    description: Control socket of the credential proxy. A host without it has no sockets to remove.
    type: path
    default: /run/credential_proxy/control.sock
  proxy_directory:
    description: Directory in which the credential proxy keeps one directory for each conversation.
    type: path
    default: /var/lib/credential_proxy/conversations
  audit_log:
    description: The credential proxy's audit log. Its requests count as work.
    type: path
    default: /var/log/credential_proxy/audit.jsonl
seealso:
  - module: bulkhead.workspace.workspace_container
"""

EXAMPLES = r"""
- name: Remove what has come to its end
  bulkhead.workspace.workspace_reap:

- name: See what would be removed
  bulkhead.workspace.workspace_reap:
  check_mode: true
  register: ends
"""

RETURN = r"""
ended:
  description:
    - The conversations that were removed, or would be, in the order of their identifiers. Expired and idle ones come
      before orphans.
  returned: success, or failure to remove one of them
  type: list
  elements: dict
  sample:
    - conversation_id: 7f3c2a
      reason: "expired: created 28804 s ago, expires_after is 28800 s"
      actions:
        - stop ws-7f3c2a
        - remove container ws-7f3c2a
        - remove volume ws-7f3c2a-venv
        - remove volume ws-7f3c2a-workspace
        - close proxy 7f3c2a
      error: ""
  contains:
    conversation_id:
      description: The conversation.
      type: str
      returned: always
    reason:
      description: Why it has come to its end.
      type: str
      returned: always
    actions:
      description: What was done, in order.
      type: list
      elements: str
      returned: always
    error:
      description: Why it could not be removed. Empty when it was.
      type: str
      returned: always
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import names, parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.arguments import DOCKER_HOST, failing
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.audit_log import AUDIT_LOG
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.reap import Settings, reap


def run(module: AnsibleModule) -> dict[str, Any]:
    """Removes what has come to its end."""
    params = module.params
    try:
        grace = parse.duration(params["orphan_grace"]) or 0
    except ValueError as error:
        raise InvalidRequestError("look for orphans", [f"orphan_grace: {error}"]) from error
    settings = Settings(
        orphan_grace=grace,
        proxy_control_socket=params["proxy_control_socket"],
        proxy_directory=params["proxy_directory"],
        audit_log=params["audit_log"],
    )
    ended = reap(Driver(params["docker_host"]), settings, dry_run=module.check_mode)
    removed = [entry for entry in ended if entry.actions]
    failed = [entry for entry in ended if entry.error]
    result: dict[str, Any] = {
        "changed": bool(removed),
        "ended": [asdict(entry) for entry in ended],
        "diff": {
            "before": {entry.conversation_id: entry.reason for entry in removed},
            "after": {},
        },
    }
    if failed:
        listed = "".join(f"\n  - {entry.conversation_id}: {entry.error}" for entry in failed)
        result |= {"failed": True, "msg": f"cannot remove {len(failed)} conversations:{listed}"}
    return result


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "docker_host": DOCKER_HOST,
            "orphan_grace": {"type": "str", "default": "10m"},
            "proxy_control_socket": {"type": "path", "default": names.PROXY_CONTROL_SOCKET},
            "proxy_directory": {"type": "path", "default": names.PROXY_DIRECTORY},
            "audit_log": {"type": "path", "default": AUDIT_LOG},
        },
        supports_check_mode=True,
    )
    with failing(module):
        result = run(module)
        if result.get("failed"):
            module.fail_json(**result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
