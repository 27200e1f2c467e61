#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_host_info
short_description: Tell what state the Docker daemon and its data root are in
description:
  - Asks systemd, the daemon, the kernel and the data root itself. The question does not start a stopped daemon.
  - The roles P(bulkhead.workspace.docker_userns#role) and P(bulkhead.workspace.xfs_quota#role) decide with it
    what a change would hide or interrupt, and prove afterwards what is in force.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 1.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes.info_module
options:
  config:
    description: The configuration file of the daemon, which may name another data root.
    type: path
    default: /etc/docker/daemon.json
  data_root:
    description: The data root. If not given, the one of O(config), else V(/var/lib/docker).
    type: path
requirements:
  - systemd
seealso:
  - module: bulkhead.workspace.docker_daemon_config
"""

EXAMPLES = r"""
- name: Look at Docker
  bulkhead.workspace.docker_host_info:
  register: docker

- name: Stop unless project quotas are in force
  ansible.builtin.assert:
    that: docker.filesystem.project_quota
"""

RETURN = r"""
installed:
  description: Whether C(dockerd) and C(docker.service) exist.
  returned: success
  type: bool
  sample: true
python_library:
  description: Whether the Python that ran this module can import the library C(docker).
  returned: success
  type: bool
  sample: true
active:
  description: Whether C(docker.service) is active.
  returned: success
  type: bool
  sample: true
enabled:
  description: Whether C(docker.service) starts at boot.
  returned: success
  type: bool
  sample: true
config:
  description:
    - The settings in the configuration file; empty if it cannot be read.
    - Asterisks stand for the values in C(proxies), for those of settings whose names speak of a token, a password or
      the like, and for user and password in addresses.
  returned: success
  type: dict
  sample: {"icc": false}
config_error:
  description: Why the configuration file cannot be read; empty if it can.
  returned: success
  type: str
  sample: ""
server:
  description: The answer of the daemon to C(GET /info); empty if it does not run.
  returned: success
  type: dict
  sample: {"Driver": "overlay2"}
server_error:
  description: Why an active daemon gave no answer; empty otherwise.
  returned: success
  type: str
  sample: ""
running:
  description: The running containers.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container.
      type: str
      sample: ws-7f3c2a
    pid:
      description: Its main process on the host.
      type: int
      sample: 4711
    uid_map:
      description: What the kernel says about its user namespace, C(/proc/PID/uid_map) with single spaces.
      type: str
      sample: 0 100000 65536
data_root:
  description: The data root without the sub-directory that C(userns-remap) adds.
  returned: success
  type: str
  sample: /var/lib/docker
resolved_root:
  description: RV(data_root) with its symbolic links followed.
  returned: success
  type: str
  sample: /var/lib/docker
current_root:
  description: Where the daemon keeps its data now, or kept it when it ran last, as far as can be told.
  returned: success
  type: str
  sample: /var/lib/docker/100000.100000
current_root_owner:
  description: Numeric owner and group of RV(current_root); empty if it does not exist.
  returned: success
  type: str
  sample: "0:100000"
empty:
  description: Whether RV(data_root) is missing or holds nothing.
  returned: success
  type: bool
  sample: false
contents:
  description: What people keep in RV(current_root).
  returned: success
  type: dict
  contains:
    containers:
      description: Names of all containers.
      type: list
      elements: str
      sample: [db]
    images:
      description: Names of all images, identifiers of those without a name.
      type: list
      elements: str
      sample: ["debian:13"]
    volumes:
      description: Names of all volumes.
      type: list
      elements: str
      sample: [data]
filesystem:
  description: The file system that RV(data_root) is on, or would be on.
  returned: success
  type: dict
  contains:
    type:
      description: Its type.
      type: str
      sample: xfs
    mount_point:
      description: Where it is mounted.
      type: str
      sample: /var/lib/docker
    source:
      description: What is mounted there.
      type: str
      sample: /dev/loop0
    project_quota:
      description: Whether the kernel enforces XFS project quotas on it.
      type: bool
      sample: true
    free_bytes:
      description: Free space for the administrator.
      type: int
      sample: 21474836480
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import Engine
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.survey import presentable, survey


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/docker/daemon.json"},
            "data_root": {"type": "path"},
        },
        supports_check_mode=True,
    )
    found = survey(module.params["config"], module.params["data_root"], Service(module.run_command), Engine())
    module.exit_json(changed=False, **presentable(found))


if __name__ == "__main__":
    main()
