#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_userns_info
short_description: Tell what user namespaces for Docker would change, hide and interrupt
description:
  - One look at the host for the role P(bulkhead.workspace.docker_userns#role), with everything that it has to know
    before its first change. Asks systemd, the daemon, the kernel and the data root. Does not start a stopped daemon.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes.info_module
  - bulkhead.workspace._drain
options:
  state:
    description: V(absent) looks at the way back, by O(record).
    type: str
    choices: [present, absent]
    default: present
  user:
    description: Owner of the subordinate ids.
    type: str
    default: dockremap
  start:
    description: First subordinate id.
    type: int
    default: 100000
  count:
    description: How many subordinate ids.
    type: int
    default: 65536
  settings:
    description: The settings that C(/etc/docker/daemon.json) shall have.
    type: dict
    default: {}
  remove:
    description: The settings that it shall not have, as in M(bulkhead.workspace.docker_daemon_config).
    type: list
    elements: str
    default: []
  record:
    description:
      - The file that remembers what each setting was before. What O(settings) and O(remove) no longer mention goes
        back, as in M(bulkhead.workspace.docker_daemon_config).
    type: path
  carry_directory:
    description: Where saved images wait for the daemon that is to load them.
    type: path
    default: /var/lib/bulkhead/images
seealso:
  - module: bulkhead.workspace.docker_host_info
  - module: bulkhead.workspace.docker_daemon_config
"""

EXAMPLES = r"""
- name: Look before user namespaces are switched on
  bulkhead.workspace.docker_userns_info:
    settings:
      userns-remap: default
  register: look

- name: Tell what would be out of sight
  ansible.builtin.debug:
    msg: "{{ look.hidden }}"
"""

RETURN = r"""
host:
  description: What M(bulkhead.workspace.docker_host_info) returns, with the same values masked.
  returned: success
  type: dict
  sample: {"active": true, "installed": true}
account:
  description: Whether the user and a group of its name exist.
  returned: success
  type: bool
  sample: true
subid_problems:
  description: Everything that stands against the range.
  returned: success
  type: list
  elements: str
  sample: []
subid_changes:
  description: Whether C(/etc/subuid) or C(/etc/subgid) lack the range.
  returned: success
  type: bool
  sample: false
settings_problem:
  description: Why the settings cannot be merged; empty if they can.
  returned: success
  type: str
  sample: ""
differences:
  description: The settings whose meaning would change.
  returned: success
  type: list
  elements: dict
  sample: [{"key": "icc", "action": "added", "before": null, "after": false}]
foreign:
  description:
    - Settings that are wished for no more and that somebody else has changed, as C(KEY) or C(KEY/ENTRY). They stay.
  returned: success
  type: list
  elements: str
  sample: []
due:
  description: Whether a running daemon would have to take the file.
  returned: success
  type: bool
  sample: true
restart:
  description: Whether it would have to restart for that.
  returned: success
  type: bool
  sample: true
obstacles:
  description: Running containers that stand in the way of that restart, in words.
  returned: success
  type: list
  elements: str
  sample: []
target_root:
  description: Where the daemon would keep its data.
  returned: success
  type: str
  sample: /var/lib/docker/100000.100000
hidden:
  description: What the daemon would no longer see, by kind. Empty where nothing would be hidden.
  returned: success
  type: dict
  sample: {"images": ["debian:13"], "containers": [], "volumes": ["data"]}
hidden_bytes:
  description: The size of that, by kind, where the daemon says.
  returned: success
  type: dict
  sample: {"images": 124000000, "containers": 0, "volumes": 4096}
bind_mounts:
  description: Paths that containers write through bind mounts and could no longer, because of their owner.
  returned: success
  type: list
  elements: dict
  sample: [{"path": "/srv/app", "containers": ["app"], "owner": "1000:1000", "becomes": "101000:101000"}]
waiting_images:
  description: Images that were saved and wait to be loaded.
  returned: success
  type: list
  elements: str
  sample: []
carry_free_bytes:
  description: Free space around O(carry_directory).
  returned: success
  type: int
  sample: 21474836480
draining:
  description: The text of the file that keeps conversations from starting; empty where there is none.
  returned: success
  type: str
  sample: ""
"""

import grp
import os
import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config import pending, record
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.carry import waiting
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import Engine
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import (
    DaemonConfigError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.hidden import bind_mounts, sizes
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.mask import presentable_changes
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import merge, request_problems
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.plan import Plan, plan
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.root import root_by
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.survey import presentable, survey
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.validate import validate
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.act import DRAIN_FILE
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.wish import ARGUMENT, DrainWish, obstacles
from ansible_collections.bulkhead.workspace.plugins.module_utils._subid.host import examine
from ansible_collections.bulkhead.workspace.plugins.module_utils._subid.ranges import Range

CONFIG = "/etc/docker/daemon.json"
_NOTHING = {"settings_problem": "", "differences": [], "foreign": [], "due": False, "restart": False}


class UsernsLook:
    """One look at the host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params: dict[str, Any] = module.params
        self.service = Service(module.run_command)
        self.engine = Engine()

    def run(self) -> dict[str, Any]:
        host = survey(CONFIG, None, self.service, self.engine)
        texts, problems = examine(Range(self.params["user"], self.params["start"], self.params["count"]))
        config, wanted = self._config(host)
        hidden, root = self._hidden(host, wanted)
        directory = self.params["carry_directory"]
        return {
            "host": presentable(host),
            "account": _account(self.params["user"]),
            "subid_problems": problems,
            "subid_changes": any(old != new for old, new in texts.values()),
            **config,
            "obstacles": self._obstacles() if config["restart"] and host["active"] and not host["server_error"] else [],
            "target_root": root,
            "hidden": hidden,
            "hidden_bytes": sizes(self.engine) if hidden and host["server"] else {},
            "bind_mounts": self._binds() if hidden and host["server"] and self.params["state"] == "present" else [],
            "waiting_images": waiting(directory),
            "carry_free_bytes": _free(directory),
            "draining": DRAIN_FILE.read_text().strip() if DRAIN_FILE.exists() else "",
        }

    def _config(self, host: dict[str, Any]) -> tuple[dict[str, Any], Plan | None]:
        """What the wish means for daemon.json."""
        if host["config_error"]:
            return {**_NOTHING, "settings_problem": host["config_error"]}, None
        present = self.params["state"] == "present"
        settings, remove = (self.params["settings"], self.params["remove"]) if present else ({}, [])
        problems = request_problems(settings, remove)
        if problems:
            return {**_NOTHING, "settings_problem": "; ".join(problems)}, None
        wanted = None
        try:
            before, foreign = record.load(self.params["record"]).given_up(settings, remove).undo(host["config"])
            new = merge(before, settings, remove)
            wanted = plan(host["config"], new, state=self.service.state(), note=pending.read_note(CONFIG))
            if wanted.changes:
                validate(self.module, wanted.new, CONFIG)
        except DaemonConfigError as error:
            return {**_NOTHING, "settings_problem": str(error)}, wanted
        return {
            "settings_problem": "",
            "differences": presentable_changes(wanted.changes),
            "foreign": foreign,
            "due": wanted.due,
            "restart": wanted.due and not wanted.reload,
        }, wanted

    def _hidden(self, host: dict[str, Any], wanted: Plan | None) -> tuple[dict[str, list[str]], str]:
        new = wanted.new if wanted else host["config"]
        root = root_by(new, self.params["start"])
        driver = host["server"].get("Driver", "overlay2")
        moves = host["current_root"] != root or driver != new.get("storage-driver", driver)
        contents: dict[str, list[str]] = host["contents"]
        return (contents if moves and any(contents.values()) else {}), root

    def _obstacles(self) -> list[str]:
        return obstacles(self.engine.containers(), DrainWish.of(self.params["drain"]), act="restart docker")

    def _binds(self) -> list[dict[str, Any]]:
        return bind_mounts(self.engine, start=self.params["start"], count=self.params["count"])


def _account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _free(directory: str) -> int:
    path = Path(directory)
    existing = next(place for place in [path, *path.parents] if place.exists())
    space = os.statvfs(existing)
    return space.f_bavail * space.f_frsize


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "user": {"type": "str", "default": "dockremap"},
            "start": {"type": "int", "default": 100000},
            "count": {"type": "int", "default": 65536},
            "settings": {"type": "dict", "default": {}},
            "remove": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "path"},
            "carry_directory": {"type": "path", "default": "/var/lib/bulkhead/images"},
            "drain": ARGUMENT,
        },
        required_if=[("state", "absent", ["record"])],
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **UsernsLook(module).run())


if __name__ == "__main__":
    main()
