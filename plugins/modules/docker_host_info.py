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
python_library:
  description: Whether the Python that ran this module can import the library C(docker).
  returned: success
  type: bool
active:
  description: Whether C(docker.service) is active.
  returned: success
  type: bool
config:
  description: The settings in the configuration file; empty if it cannot be read.
  returned: success
  type: dict
config_error:
  description: Why the configuration file cannot be read; empty if it can.
  returned: success
  type: str
server:
  description: The answer of the daemon to C(GET /info); empty if it does not run.
  returned: success
  type: dict
server_error:
  description: Why an active daemon gave no answer; empty otherwise.
  returned: success
  type: str
running:
  description: The running containers.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container.
      type: str
    pid:
      description: Its main process on the host.
      type: int
    uid_map:
      description: What the kernel says about its user namespace, C(/proc/PID/uid_map) with single spaces.
      type: str
      sample: 0 100000 65536
data_root:
  description: The data root without the sub-directory that C(userns-remap) adds.
  returned: success
  type: str
resolved_root:
  description: RV(data_root) with its symbolic links followed.
  returned: success
  type: str
current_root:
  description: Where the daemon keeps its data now, or kept it when it ran last, as far as can be told.
  returned: success
  type: str
current_root_owner:
  description: Numeric owner and group of RV(current_root); empty if it does not exist.
  returned: success
  type: str
  sample: "0:100000"
empty:
  description: Whether RV(data_root) is missing or holds nothing.
  returned: success
  type: bool
contents:
  description: What people keep in RV(current_root).
  returned: success
  type: dict
  contains:
    containers:
      description: Names of all containers.
      type: list
      elements: str
    images:
      description: Names of all images, identifiers of those without a name.
      type: list
      elements: str
    volumes:
      description: Names of all volumes.
      type: list
      elements: str
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
    source:
      description: What is mounted there.
      type: str
    project_quota:
      description: Whether the kernel enforces XFS project quotas on it.
      type: bool
    free_bytes:
      description: Free space for the administrator.
      type: int
"""

import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.apply import ConfigFile
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.document import parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import (
    DaemonConfigError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.root import (
    DEFAULT_ROOT,
    contents_of,
    is_empty,
    namespaces_of,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import mount_of, own_mounts


def read_config(path: str) -> tuple[dict[str, Any], str]:
    try:
        return parse(ConfigFile(path, os.replace).read() or "", path), ""
    except DaemonConfigError as error:
        return {}, str(error)


def ask_server(engine: Engine) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """The daemon's /info, its running containers, and why there is neither."""
    try:
        info = engine.info()
        pids = {name: engine.process_of(name) for name in engine.running()}
    except NoAnswerError as silence:
        return {}, [], str(silence)
    return info, [{"name": name, "pid": pid, "uid_map": _uid_map(pid)} for name, pid in pids.items()], ""


def _uid_map(pid: int) -> str:
    try:
        return "\n".join(" ".join(line.split()) for line in Path(f"/proc/{pid}/uid_map").read_text().splitlines())
    except OSError:
        return ""


def root_in_use(data_root: Path, config: dict[str, Any], server: dict[str, Any]) -> Path:
    """The daemon's own word, else the only namespace there is if the configuration asks for one."""
    if server:
        return Path(server["DockerRootDir"])
    namespaces = namespaces_of(data_root) if config.get("userns-remap") else []
    return data_root / namespaces[0] if len(namespaces) == 1 else data_root


def describe_filesystem(path: Path) -> dict[str, Any]:
    existing = next(place for place in [path, *path.parents] if place.exists()).resolve()
    mount = mount_of(own_mounts(), existing)
    space = os.statvfs(existing)
    return {
        "type": mount.kind if mount else "",
        "mount_point": mount.target if mount else "",
        "source": mount.source if mount else "",
        "project_quota": bool(mount and mount.project_quota),
        "free_bytes": space.f_bfree * space.f_frsize,
    }


def owner_of(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_uid}:{status.st_gid}"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/docker/daemon.json"},
            "data_root": {"type": "path"},
        },
        supports_check_mode=True,
    )
    config, config_error = read_config(module.params["config"])
    state = Service(module.run_command).state()
    server, running, server_error = ask_server(Engine()) if state.active else ({}, [], "")
    data_root = Path(module.params["data_root"] or config.get("data-root") or DEFAULT_ROOT)
    current_root = root_in_use(data_root, config, server)
    module.exit_json(
        changed=False,
        installed=state.exists and bool(module.get_bin_path("dockerd", opt_dirs=["/usr/sbin"])),
        python_library=find_spec("docker") is not None,
        active=state.active,
        config=config,
        config_error=config_error,
        server=server,
        server_error=server_error,
        running=running,
        data_root=str(data_root),
        resolved_root=str(data_root.resolve()),
        current_root=str(current_root),
        current_root_owner=owner_of(current_root),
        empty=is_empty(data_root),
        contents={name: list(names) for name, names in asdict(contents_of(current_root)).items()},
        filesystem=describe_filesystem(data_root),
    )


if __name__ == "__main__":
    main()
