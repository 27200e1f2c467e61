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
"""

import grp
import pwd
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._subid.ranges import (
    Range,
    problems_with,
    with_range,
)

MIN_COUNT = 65536
MAX_ID = 2**32 - 2
#: Below lie the ids of the distribution and of people, and 65534 is nobody.
MIN_START = 65536


def range_problems(wanted: Range) -> list[str]:
    problems = []
    if wanted.count < MIN_COUNT:
        problems.append(f"cannot use {wanted}: images need {MIN_COUNT} ids at least; raise count")
    if wanted.start < MIN_START or wanted.start + wanted.count - 1 > MAX_ID:
        problems.append(f"cannot use {wanted}: subordinate ids lie between {MIN_START} and {MAX_ID}; move start")
    return problems


def aliases_of(name: str) -> list[str]:
    try:
        return [str(pwd.getpwnam(name).pw_uid)]
    except KeyError:
        return []


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""


def write(module: AnsibleModule, path: str, text: str) -> None:
    with NamedTemporaryFile("w", dir=Path(path).parent, prefix=".subid.", delete=False) as stream:
        stream.write(text)
    # newuidmap runs as any user and must be able to read it.
    Path(stream.name).chmod(0o644)
    module.atomic_move(stream.name, path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "start": {"type": "int", "required": True},
            "count": {"type": "int", "default": 65536},
            "subuid": {"type": "path", "default": "/etc/subuid"},
            "subgid": {"type": "path", "default": "/etc/subgid"},
        },
        supports_check_mode=True,
    )
    wanted = Range(module.params["name"], module.params["start"], module.params["count"])
    aliases = aliases_of(wanted.owner)
    accounts: dict[str, dict[int, str]] = {
        module.params["subuid"]: {user.pw_uid: f"user {user.pw_name}" for user in pwd.getpwall()},
        module.params["subgid"]: {group.gr_gid: f"group {group.gr_name}" for group in grp.getgrall()},
    }
    old = {path: read(path) for path in accounts}
    problems = range_problems(wanted)
    for path, text in old.items():
        problems += problems_with(wanted, text, path=path, aliases=aliases, accounts=accounts[path])
    if problems:
        module.fail_json(msg="; ".join([*problems, "nothing was changed"]), problems=problems)

    new = {path: with_range(wanted, text, aliases=aliases) for path, text in old.items()}
    changed = [path for path in old if new[path] != old[path]]
    if not module.check_mode:
        for path in changed:
            write(module, path, new[path])
    diff: list[dict[str, Any]] = [
        {"before": old[path], "after": new[path], "before_header": path, "after_header": path} for path in changed
    ]
    module.exit_json(changed=bool(changed), diff=diff)


if __name__ == "__main__":
    main()
