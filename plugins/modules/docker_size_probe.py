#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_size_probe
short_description: Try whether containers and volumes stop at their size
description:
  - Makes a container with C(--storage-opt size) and a volume with C(--opt size), writes twice as much into each, and
    once more into a container and a volume without a size. Sizes hold if the first two stop and the others do not.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes.probe_module
  - bulkhead.workspace._attributes.docker_probe
options:
  size_mb:
    description: The size in MiB of the container and of the volume.
    type: int
    default: 20
seealso:
  - module: bulkhead.workspace.xfs_quota_probe
"""

EXAMPLES = r"""
- name: Fill a container and a volume of 20 MB
  bulkhead.workspace.docker_size_probe:
"""

RETURN = r"""
container_bytes:
  description: Where the container with a size stopped.
  returned: success
  type: int
  sample: 20905984
volume_bytes:
  description: Where the volume with a size stopped.
  returned: success
  type: int
  sample: 20971520
refusal:
  description: The kernel's word when it stopped them.
  returned: success
  type: str
  sample: No space left on device
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import Engine, NoAnswerError
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.trial import Trial, TrialError

MIB = 2**20
_REFUSAL = "No space left on device"


def fill(trial: Trial, size_mb: int, *, limited: bool, in_volume: bool) -> tuple[int, str]:
    """How many bytes went in, and what dd said."""
    wanted = f"{size_mb}m" if limited else None
    host: dict[str, Any] = {}
    if in_volume:
        name = trial.volume({"size": wanted} if wanted else {})
        host["Binds"] = [f"{name}:/fill"]
    elif wanted:
        host["StorageOpt"] = {"size": wanted}
    target = "/fill/fill" if in_volume else "/fill"
    script = f"dd if=/dev/zero of={target} bs=65536 count={2 * size_mb * 16} conv=fsync; stat -c 'size %s' {target}"
    said = trial.run(["/bin/sh", "-c", script], host=host)
    sizes = [line.split()[1] for line in said.splitlines() if line.startswith("size ")]
    if not sizes:
        raise TrialError(f"nothing could be written: {said.strip()}")
    return int(sizes[-1]), said


def main() -> None:
    module = AnsibleModule(argument_spec={"size_mb": {"type": "int", "default": 20}}, supports_check_mode=False)
    size_mb = module.params["size_mb"]
    act = f"cannot prove that containers and volumes stop at {size_mb} MiB"
    taken: dict[str, int] = {}
    problems = []
    try:
        with Trial(Engine(), programs=("sh", "dd", "stat")) as trial:
            for kind, in_volume in (("container", False), ("volume", True)):
                taken[kind], said = fill(trial, size_mb, limited=True, in_volume=in_volume)
                free, _said = fill(trial, size_mb, limited=False, in_volume=in_volume)
                if _REFUSAL not in said or taken[kind] > size_mb * MIB:
                    problems.append(f"a {kind} of {size_mb} MiB took {taken[kind]} bytes")
                if free != 2 * size_mb * MIB:
                    problems.append(f"a {kind} without a size stopped after {free} bytes")
    except (TrialError, NoAnswerError) as error:
        module.fail_json(msg=f"{act}: {error}; look at journalctl -u docker")
    if problems:
        module.fail_json(msg=f"{act}: {'; '.join(problems)}; is the data root an XFS mounted with pquota?")
    module.exit_json(changed=False, container_bytes=taken["container"], volume_bytes=taken["volume"], refusal=_REFUSAL)


if __name__ == "__main__":
    main()
