#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: xfs_quota_probe
short_description: Try whether an XFS project quota stops a directory
description:
  - Makes two directories, gives one of them a project quota, writes past the limit in both, and removes everything
    again. The quota is in force if the first directory stops at the limit and the second does not.
  - Mount options say what was asked for; a write that the kernel refuses says what is so.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 1.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes.probe_module
options:
  path:
    description: A directory on the file system in question.
    type: path
    required: true
  mount_point:
    description: Where that file system is mounted. If not given, the kernel is asked.
    type: path
  limit_mb:
    description: The limit in MiB. Twice as much is written to each of the two directories.
    type: int
    default: 4
requirements:
  - xfs_quota (package xfsprogs)
seealso:
  - module: bulkhead.workspace.docker_host_info
"""

EXAMPLES = r"""
- name: Try a project quota in Docker's data root
  bulkhead.workspace.xfs_quota_probe:
    path: /var/lib/docker
    mount_point: /var/lib/docker
  register: probe

- name: Insist that it stopped the directory
  ansible.builtin.assert:
    that: probe.enforced
"""

RETURN = r"""
enforced:
  description: Whether the limited directory was stopped and the other one was not.
  returned: success
  type: bool
  sample: true
limit_bytes:
  description: The limit.
  returned: success
  type: int
  sample: 4194304
limited_bytes:
  description: How much the directory with the limit took.
  returned: success
  type: int
  sample: 4194304
control_bytes:
  description: How much the directory without a limit took.
  returned: success
  type: int
  sample: 8388608
refusal:
  description: The kernel's word when it stopped the directory with the limit; empty if it did not.
  returned: success
  type: str
  sample: No space left on device
"""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import mount_of, own_mounts

MIB = 2**20
_CHUNK = bytes(64 * 1024)
#: Docker counts its project ids upwards from 1; these are far above any it reaches.
_PROJECT_IDS = range(0x70000000, 0x7FFFFFFF)


class ProbeError(Exception):
    """The quota tool refused."""


@contextmanager
def limited(module: AnsibleModule, directory: Path, mount_point: str, limit_mb: int) -> Iterator[None]:
    """A project of its own for directory, with a limit while the block runs."""
    project = random.choice(_PROJECT_IDS)  # noqa: S311  a number nobody uses, not a secret

    def tool(command: str) -> None:
        # Without -D and -P the tool would look the project up in /etc/projects.
        arguments = ["xfs_quota", "-x", "-D", "/dev/null", "-P", "/dev/null", "-c", command, mount_point]
        rc, out, err = module.run_command(arguments)
        if rc != 0:
            raise ProbeError((err or out).strip())

    tool(f"project -s -p {directory} {project}")
    tool(f"limit -p bhard={limit_mb}m {project}")
    try:
        yield
    finally:
        tool(f"limit -p bhard=0 {project}")


def fill(directory: Path, size: int) -> tuple[int, str]:
    """How much of size the directory took, and what the kernel said when it took no more."""
    taken = 0
    with (directory / "fill").open("wb", buffering=0) as stream:
        try:
            while taken < size:
                taken += stream.write(_CHUNK)
            os.fsync(stream.fileno())
        except OSError as error:
            return taken, str(error.strerror)
    return taken, ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "mount_point": {"type": "path"},
            "limit_mb": {"type": "int", "default": 4},
        },
        supports_check_mode=False,
    )
    path, limit_mb = module.params["path"], module.params["limit_mb"]
    size = 2 * limit_mb * MIB
    mount = mount_of(own_mounts(), Path(path).resolve())
    mount_point = module.params["mount_point"] or (mount.target if mount else "/")
    try:
        place = Path(tempfile.mkdtemp(dir=path, prefix=".quota-probe."))
    except OSError as error:
        module.fail_json(msg=f"cannot probe the project quota of {path}: {error}; give a directory that exists")
    try:
        for name in ("limited", "control"):
            (place / name).mkdir()
        with limited(module, place / "limited", mount_point, limit_mb):
            limited_bytes, refusal = fill(place / "limited", size)
            control_bytes, complaint = fill(place / "control", size)
    except ProbeError as error:
        module.fail_json(
            msg=f"cannot probe the project quota of {path}: xfs_quota says {error}; "
            "is it mounted with pquota, and is xfsprogs installed?"
        )
    finally:
        shutil.rmtree(place)
    if complaint:
        module.fail_json(
            msg=f"cannot probe the project quota of {path}: the directory without a limit was stopped too, "
            f"after {control_bytes} bytes: {complaint}; free some space"
        )
    module.exit_json(
        changed=False,
        enforced=bool(refusal) and limited_bytes <= limit_mb * MIB,
        limit_bytes=limit_mb * MIB,
        limited_bytes=limited_bytes,
        control_bytes=control_bytes,
        refusal=refusal,
    )


if __name__ == "__main__":
    main()
