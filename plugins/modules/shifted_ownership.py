#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shifted_ownership
short_description: Give paths the owners that they have inside user namespaces
description:
  - Adds O(start) to owner and group of each path and of everything below it, so that a container sees the owners that
    the host saw before. Ids that lie in the range already stay, so a run that was cut short can be done again.
  - Set-user-id bits, capabilities and access lists are kept. The ids inside access lists stay as they are.
  - Symbolic links are changed themselves and never followed. Other file systems below a path are left alone.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes
options:
  paths:
    description: The paths. Directories of the system itself are refused.
    type: list
    elements: path
    required: true
  start:
    description: First subordinate id.
    type: int
    required: true
  count:
    description: How many subordinate ids.
    type: int
    default: 65536
"""

EXAMPLES = r"""
- name: Let containers write a bind mount again
  bulkhead.workspace.shifted_ownership:
    paths: [/srv/app]
    start: 100000
"""

RETURN = r"""
entries:
  description: How many files, directories and links got, or would get, another owner.
  returned: success
  type: int
  sample: 210
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

#: With another owner the host itself would not work any more.
_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "usr", "var")
#: What the kernel takes off a file when its owner changes.
_CAPABILITY = "security.capability"


def problems_with(paths: list[str]) -> list[str]:
    """Every path that must not be changed, in words."""
    found = []
    for path in paths:
        real = Path(path).resolve()
        if not real.is_absolute() or not real.exists():
            found.append(f"cannot change the owner of {path}: it does not exist; correct the name")
        elif len(real.parts) < 2 or (real.parts[1] in _SYSTEM and len(real.parts) < 4):
            found.append(f"cannot change the owner of {path}: the host itself lives there; name something below it")
    return found


def walk(root: Path) -> Iterator[Path]:
    """root and all below it on the same file system."""
    device = root.lstat().st_dev
    waiting = [root]
    while waiting:
        path = waiting.pop()
        status = path.lstat()
        if status.st_dev != device:
            continue
        yield path
        if stat.S_ISDIR(status.st_mode):
            waiting += path.iterdir()


def shift(path: Path, start: int, count: int, *, act: bool) -> bool:
    """Whether the owner changes."""
    status = path.lstat()
    uid, gid = (one if start <= one < start + count else one + start for one in (status.st_uid, status.st_gid))
    if (uid, gid) == (status.st_uid, status.st_gid):
        return False
    if max(uid, gid) >= start + count:
        raise OSError(f"{path} belongs to {status.st_uid}:{status.st_gid}, which {count} ids do not cover")
    if act:
        plain = stat.S_ISREG(status.st_mode)
        names = os.listxattr(path, follow_symlinks=False) if plain else []
        capability = os.getxattr(path, _CAPABILITY) if _CAPABILITY in names else None
        os.lchown(path, uid, gid)
        if plain and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(stat.S_IMODE(status.st_mode))
        if capability is not None:
            os.setxattr(path, _CAPABILITY, capability)
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "start": {"type": "int", "required": True},
            "count": {"type": "int", "default": 65536},
        },
        supports_check_mode=True,
    )
    paths, start, count = (module.params[name] for name in ("paths", "start", "count"))
    problems = problems_with(paths)
    if problems:
        module.fail_json(msg="; ".join([*problems, "nothing was changed"]))
    entries = 0
    try:
        # Once for show, so that an id that does not fit is found before the first change.
        for act in (False, True):
            entries = sum(shift(one, start, count, act=act) for path in paths for one in walk(Path(path).resolve()))
            if module.check_mode:
                break
    except OSError as error:
        module.fail_json(msg=f"cannot change the owners: {error}; look at that path")
    after = f"{entries} entries below {', '.join(paths)} get the ids from {start} on\n" if entries else ""
    module.exit_json(changed=entries > 0, entries=entries, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
