#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace_archive
short_description: Save the files of a conversation to S3 and restore them
description:
  - Saves the volume C(/workspace) of a conversation to C(s3://BUCKET/PREFIX/CONVERSATION/NAME/) as
    C(workspace.tar.zst) and C(manifest.json), and restores it into another conversation or on another host.
  - The tar is written while it is uploaded; nothing is kept on the host's disk. The manifest, with the checksums, is
    written last. What has none is no archive, so an interrupted save is never taken for a whole one.
  - Symbolic links, hard links, sparse files, FIFOs, owners, modes and times are kept. Owners are those that the
    container sees, so an archive fits a host that maps them elsewhere. Links are never followed. Device nodes and
    sockets are left out and named. Extended attributes and access control lists are not kept.
  - Before anything is uploaded, well-known credential files are looked for; see O(credentials_found).
  - A restore is unpacked aside, compared with the manifest, and only then put in place. An interrupted one is finished
    by the next run.
  - Only a volume with the label C(io.bulkhead.workspace.conversation) of the conversation is touched.
version_added: 2.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
extends_documentation_fragment:
  - bulkhead.workspace._attributes
  - bulkhead.workspace._docker
  - bulkhead.workspace._s3
attributes:
  check_mode:
    details:
      - Surveys the workspace or the archive, credentials included, and asks the bucket; writes nothing.
  diff_mode:
    support: none
    details:
      - What differs is the content of whole workspaces.
  idempotent:
    details:
      - A workspace that is the same as in the newest archive is not saved again, nor restored again.
options:
  conversation_id:
    description: The conversation whose C(/workspace) is saved or filled.
    type: str
    required: true
  state:
    description:
      - V(saved) makes a new archive unless the newest one has the same content. A running container is paused for it.
      - V(restored) fills the workspace with an archive. It must be empty, and the container must not run.
    type: str
    choices: [saved, restored]
    default: saved
  bucket:
    description: Name of the bucket. It must exist.
    type: str
    required: true
  prefix:
    description: What the keys begin with, before the conversation's identifier.
    type: str
    default: workspaces/
  from_conversation:
    description: The conversation whose archive is restored. By default O(conversation_id) itself.
    type: str
    default: ''
  archive:
    description: Name of the archive to restore. By default the newest.
    type: str
    default: ''
  retrieval:
    description:
      - What to ask for when the archive lies in a class that cannot be read at once, such as V(GLACIER).
      - With V(none) the task fails and says how long each retrieval takes. Otherwise one is requested and the task ends
        with RV(restored=false); run it again when the time is over.
    type: str
    choices: [none, expedited, standard, bulk]
    default: none
  retrieval_days:
    description: How many days the retrieved copy can be read.
    type: int
    default: 7
  size_limit:
    description: Refuse to save more than this, such as V(5g). An empty string means no limit.
    type: str
    default: 5g
  credentials_found:
    description:
      - What a credential file in the workspace leads to. V(refuse) fails before the upload and names the files;
        V(report) uploads them and warns.
      - The files are recognised by name and beginning. This does not replace a scanner for secrets in source code.
    type: str
    choices: [refuse, report]
    default: refuse
  compression_level:
    description: Level of C(zstd), 1 to 19.
    type: int
    default: 3
requirements:
  - Program C(zstd) on the target (Debian package C(zstd))
seealso:
  - module: bulkhead.workspace.workspace_container
  - module: bulkhead.workspace.s3_bucket_lifecycle
"""

EXAMPLES = r"""
- name: Save the workspace of a conversation
  bulkhead.workspace.workspace_archive:
    conversation_id: 7f3c2a
    bucket: my-workspaces

- name: Restore it into a new conversation, which was made with state=stopped
  bulkhead.workspace.workspace_archive:
    conversation_id: 9b1d44
    state: restored
    from_conversation: 7f3c2a
    bucket: my-workspaces

- name: Restore from Glacier, and come back when it has been retrieved
  bulkhead.workspace.workspace_archive:
    conversation_id: 9b1d44
    state: restored
    from_conversation: 7f3c2a
    bucket: my-workspaces
    retrieval: bulk
  register: restoring
  until: restoring.restored
  retries: 30
  delay: 1800
"""

RETURN = r"""
archive:
  description:
    - The archive that was saved, found or restored, as its manifest has it, with its address.
    - In check mode, what a save would hold (C(address), C(size) in bytes, C(entries), C(left_out), C(credentials)).
  returned: success
  type: dict
  sample:
    address: s3://my-workspaces/workspaces/7f3c2a/20261122T101500Z-5f0c9a1e/
    conversation_id: 7f3c2a
    name: 20261122T101500Z-5f0c9a1e
    created: "2026-11-22T10:15:00Z"
    size: 48211394
    sha256: 1c5d0c6fb2b6b2f2c87c2dd8ab3b44ee2f5a0b0cf3f42b2ef2f1b1f1a2b3c4d5
    tree:
      sha256: 90d1f4c3c8bfc0cbd6b9d5e5a37c8de1f66f36ba63a0b9a31a4d1b4d1c4ea9c7
      bytes: 314572800
      entries: {directory: 1203, file: 20000, hard_link: 4, symlink: 57}
    left_out: []
    credentials: []
restored:
  description: Whether the workspace has the archive's content now (or would have it, in check mode).
  returned: success and O(state=restored)
  type: bool
  sample: true
waiting:
  description: Why it has not yet.
  returned: success and RV(restored=false)
  type: str
  sample: its retrieval from GLACIER was requested and takes 5 to 12 hours; run the task again then
"""

from contextlib import nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.arguments import ARCHIVE, RETRIEVALS
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.restore import Retrieval, restore
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.save import save
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.arguments import DOCKER_HOST, failing
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.lock import locked

ARGUMENTS: dict[str, Any] = {
    "conversation_id": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["saved", "restored"], "default": "saved"},
    "from_conversation": {"type": "str", "default": ""},
    "archive": {"type": "str", "default": ""},
    "retrieval": {"type": "str", "choices": list(RETRIEVALS), "default": "none"},
    "retrieval_days": {"type": "int", "default": 7},
    "docker_host": DOCKER_HOST,
    **ARCHIVE,
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Saves or restores; the module's result."""
    params = module.params
    conversation_id, driver = params["conversation_id"], Driver(params["docker_host"])
    if params["state"] == "saved":
        saved = save(driver, conversation_id, params, dry_run=module.check_mode)
        for warning in saved.warnings:
            module.warn(warning)
        return {"changed": saved.changed, "archive": saved.archive}
    restored = restore(
        driver,
        conversation_id,
        params,
        source=params["from_conversation"] or conversation_id,
        name=params["archive"],
        wait=Retrieval(tier=params["retrieval"], days=params["retrieval_days"]),
        dry_run=module.check_mode,
    )
    waiting = {"waiting": restored.waiting} if restored.waiting else {}
    return {"changed": restored.changed, "archive": restored.archive, "restored": not restored.waiting, **waiting}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    with failing(module):
        # Not while workspace_container works on the same conversation. Check mode only looks.
        with nullcontext() if module.check_mode else locked([module.params["conversation_id"]]):
            result = run(module)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
