#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: subordinate_id_range
short_description: Give a user a range of subordinate user and group ids
description:
  - Adds one line to C(/etc/subuid) and C(/etc/subgid). All other lines stay as they are.
  - A range that overlaps the range of another user or contains an account of the host is refused, with both
    named, before either file is changed. Shared ids would make two users one for the kernel.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 1.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes
options:
  state:
    description: V(absent) takes exactly this range out again.
    type: str
    choices: [present, absent]
    default: present
    version_added: 2.0.0
  name:
    description: Owner of the range. The user need not exist yet.
    type: str
    required: true
  start:
    description: First subordinate id.
    type: int
    required: true
  count:
    description:
      - How many ids. The images of Linux distributions use ids up to 65534, so fewer than 65536 are refused.
    type: int
    default: 65536
  subuid:
    description: The file of subordinate user ids.
    type: path
    default: /etc/subuid
  subgid:
    description: The file of subordinate group ids.
    type: path
    default: /etc/subgid
"""

EXAMPLES = r"""
- name: Give dockremap its range
  bulkhead.workspace.subordinate_id_range:
    name: dockremap
    start: 100000
"""

RETURN = r"""
problems:
  description: Everything that stands against the range, over both files.
  returned: failure
  type: list
  elements: str
  sample: ["cannot add bob:365000:65536 to /etc/subuid: it overlaps alice:300000:65536; choose a free range"]
"""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._subid.host import examine, removal
from ansible_collections.bulkhead.workspace.plugins.module_utils._subid.ranges import Range


def write(module: AnsibleModule, path: str, text: str) -> None:
    with NamedTemporaryFile("w", dir=Path(path).parent, prefix=".subid.", delete=False) as stream:
        stream.write(text)
    # newuidmap runs as any user and must be able to read it.
    Path(stream.name).chmod(0o644)
    module.atomic_move(stream.name, path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str", "required": True},
            "start": {"type": "int", "required": True},
            "count": {"type": "int", "default": 65536},
            "subuid": {"type": "path", "default": "/etc/subuid"},
            "subgid": {"type": "path", "default": "/etc/subgid"},
        },
        supports_check_mode=True,
    )
    wanted = Range(module.params["name"], module.params["start"], module.params["count"])
    files = (module.params["subuid"], module.params["subgid"])
    if module.params["state"] == "present":
        texts, problems = examine(wanted, *files)
        if problems:
            module.fail_json(msg="; ".join([*problems, "nothing was changed"]), problems=problems)
    else:
        texts = removal(wanted, *files)

    changed = {path: (old, new) for path, (old, new) in texts.items() if new != old}
    if not module.check_mode:
        for path, (_old, new) in changed.items():
            write(module, path, new)
    diff: list[dict[str, Any]] = [
        {"before": old, "after": new, "before_header": path, "after_header": path}
        for path, (old, new) in changed.items()
    ]
    module.exit_json(changed=bool(changed), diff=diff)


if __name__ == "__main__":
    main()
