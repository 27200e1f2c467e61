#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_kernel_probe
short_description: Tell which kernel a container sees
description:
  - Runs a container without a network under a runtime, and lets it read the version and the log of its kernel.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes.probe_module
  - bulkhead.workspace._attributes.docker_probe
options:
  runtime:
    description: Name of the runtime. If not given, the daemon's default.
    type: str
seealso:
  - module: bulkhead.workspace.docker_daemon_config
"""

EXAMPLES = r"""
- name: Ask the kernel that a container under gVisor sees
  bulkhead.workspace.docker_kernel_probe:
    runtime: runsc
  register: kernel

- name: Insist that it is not the host's
  ansible.builtin.assert:
    that: kernel.gvisor
"""

RETURN = r"""
version:
  description: What C(/proc/version) says in the container.
  returned: success
  type: str
  sample: "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"
log:
  description: The beginning of what C(dmesg) says there; empty where the kernel does not let it.
  returned: success
  type: str
  sample: "[    0.000000] Starting gVisor..."
gvisor:
  description: Whether that kernel is gVisor's, which greets with C(Starting gVisor) in its log.
  returned: success
  type: bool
  sample: true
seconds:
  description: How long it took to create the container, start it and let it end.
  returned: success
  type: float
  sample: 1.2
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import Engine, NoAnswerError
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.trial import Trial, TrialError

_GREETING = "Starting gVisor"
_MARK = "--log--"


def main() -> None:
    module = AnsibleModule(argument_spec={"runtime": {"type": "str"}}, supports_check_mode=False)
    runtime = module.params["runtime"]
    script = f"cat /proc/version; echo {_MARK}; dmesg 2>/dev/null | head -c 4096"
    try:
        with Trial(Engine(), programs=("sh", "cat", "dmesg", "head")) as trial:
            began = time.monotonic()
            said = trial.run(["/bin/sh", "-c", script], host={"Runtime": runtime} if runtime else {})
            seconds = time.monotonic() - began
    except (TrialError, NoAnswerError) as error:
        under = f" under the runtime {runtime}" if runtime else ""
        module.fail_json(msg=f"cannot run a container{under}: {error}; look at journalctl -u docker")
    version, _mark, log = (part.strip() for part in said.partition(_MARK))
    module.exit_json(changed=False, version=version, log=log, gvisor=_GREETING in log, seconds=round(seconds, 3))


if __name__ == "__main__":
    main()
