# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # What the container of a conversation shall be: one entry for each row of the option table.
    DOCUMENTATION = r"""
options:
  conversation_id:
    description:
      - The conversation. It names the container V(ws-ID), the volumes V(ws-ID-workspace) and V(ws-ID-venv),
        the labels and the directory of the proxy's socket.
      - 1 to 48 letters, digits, C(_) and C(-), beginning with a letter or digit.
      - Exactly one of this and O(workspaces) is needed.
    type: str
  image:
    description:
      - Reference, digest or identifier of the image. Required unless O(state=absent).
      - The image must be on the host, see O(pull). It must have C(/workspace) and C(/opt/venv), owned by O(user), since
        new volumes take their owner from there.
    type: str
  pull:
    description:
      - Whether to pull an image that the host does not have. It is never pulled otherwise.
    type: bool
    default: false
    version_added: 2.0.0
  runtime:
    description:
      - The runtime, one of those that the daemon knows.
      - Under V(runsc) the profiles of layer L2 do not apply inside, and the report says so.
    type: str
    default: runc
  user:
    description: Numeric user and group inside the container. Root is refused.
    type: str
    default: "1000:1000"
  capabilities:
    description:
      - Capabilities that stay in the bounding set; all others are dropped. Only the four of the default may be chosen.
    type: list
    elements: str
    default: [CHOWN, SETUID, SETGID, DAC_OVERRIDE]
  seccomp_profile:
    description:
      - Path of the seccomp profile on the target. An edited file is a difference to a container made with the old one.
      - An empty string leaves the container with Docker's own profile, which does not count as layer L2.
      - If not given, the environment variable E(SECCOMP_PROFILE_PATH) is used.
    type: str
    default: /etc/bulkhead/seccomp/workspace-seccomp.json
  apparmor_profile:
    description:
      - Name of the AppArmor profile, which must be loaded. An empty string leaves the container with Docker's own.
      - If not given, the environment variable E(APPARMOR_PROFILE_NAME) is used.
    type: str
    default: workspace-container
  userns_remap:
    description:
      - Whether to insist on a Docker daemon that maps the users of containers. V(false) or an empty string takes the
        daemon as it is.
      - If not given, the environment variable E(USERNS_REMAP_ENABLED) is used.
    type: str
    default: "true"
  cpu_quota:
    description:
      - Processor time in microseconds for each O(cpu_period). The default is two cores. An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_CPU_QUOTA) is used.
    type: str
    default: "200000"
  cpu_period:
    description: Length of the scheduler's period in microseconds.
    type: int
    default: 100000
  memory:
    description:
      - Memory, such as V(2g). Swap is always off. An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_MEMORY_LIMIT) is used.
    type: str
    default: 2g
  pids_limit:
    description:
      - Number of processes and threads. V(100) suits small agents. An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_PIDS_LIMIT) is used.
    type: str
    default: "256"
  disk_limit:
    description:
      - Disk space for C(/workspace) and C(/opt/venv) together. It needs Docker's data on XFS with project quota.
        An empty string means no limit.
      - If not given, the environment variable E(CONTAINER_DISK_LIMIT) is used.
    type: str
    default: 5g
  venv_size:
    description: The part of O(disk_limit) that C(/opt/venv) gets. C(/workspace) gets the rest.
    type: str
    default: 1g
  workspace_storage:
    description: Whether C(/workspace) is a volume with a size, or a memory file system.
    type: str
    choices: [volume, tmpfs]
    default: volume
  workspace_tmpfs_size:
    description: Size of C(/workspace) with O(workspace_storage=tmpfs). It counts against O(memory).
    type: str
    default: 1g
  tmpfs:
    description:
      - The memory file systems. None is executable, and none honours setuid bits.
      - Together with O(shm_size) they must leave something of O(memory).
    type: list
    elements: dict
    default:
      - path: /tmp
        size: 512m
      - path: /var/tmp
        size: 256m
      - path: /run
        size: 64m
        mode: "0755"
        owned: true
      - path: /home/appuser
        size: 128m
        mode: "0700"
        owned: true
      - path: /home/appuser/.cache
        size: 512m
        mode: "0700"
        owned: true
    suboptions:
      path:
        description: Where it is mounted.
        type: path
        required: true
      size:
        description: Its size.
        type: str
        required: true
      mode:
        description: Mode of its top directory.
        type: str
        default: "1777"
      owned:
        description: Whether its top directory belongs to O(user).
        type: bool
        default: false
  shm_size:
    description: Size of C(/dev/shm).
    type: str
    default: 64m
  read_only_root:
    description: Whether the root file system is read-only.
    type: bool
    default: true
  network:
    description: The network. The host's and another container's are refused.
    type: str
    default: none
  proxy:
    description:
      - Whether to open the conversation at the host's credential proxy, and to mount the directory of its socket
        read-only at C(/run/proxy).
      - The proxy tells the variables by which clients find its routes, such as E(ANTHROPIC_BASE_URL), E(PIP_INDEX_URL)
        and E(npm_config_registry), all leading to the image's forwarder. The container gets those of the routes that
        exist when it is made. If routes come or go later, that is a difference in O(environment).
    type: bool
    default: true
  proxy_control_socket:
    description: Control socket of the credential proxy.
    type: path
    default: /run/credential_proxy/control.sock
  proxy_directory:
    description: Directory in which the credential proxy keeps one directory for each conversation.
    type: path
    default: /var/lib/credential_proxy/conversations
  environment:
    description:
      - Further environment variables. They win over the proxy's, which win over the image's.
      - Names that look like a credential are refused.
    type: dict
    default: {}
  command:
    description: The program to run instead of the image's own.
    type: list
    elements: str
  init:
    description: Whether Docker's small init process runs as the first one, and buries the dead.
    type: bool
    default: true
  stop_timeout:
    description: Seconds between the request to stop and the end by force.
    type: int
    default: 10
  expires_after:
    description:
      - Life of the container, such as V(8h), V(30m) or V(7d), counted from its creation. After it
        M(bulkhead.workspace.workspace_reap) removes the conversation, whether it works or not. Empty means never.
      - Docker cannot change a label, so another value needs O(recreate=true); the new container starts a new life.
    type: str
    default: ""
    version_added: 2.0.0
  idle_after:
    description:
      - Time without work after which M(bulkhead.workspace.workspace_reap) removes the conversation. Empty means never.
      - A conversation works while its processes use more than a hundredth of a processor, or it asks the credential
        proxy for something. One that does not run is idle from the moment it stopped.
    type: str
    default: ""
    version_added: 2.0.0
"""
