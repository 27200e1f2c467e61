#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_data_root
short_description: Put Docker's data root on an XFS with project quotas
description:
  - Without project quotas neither C(docker volume create --opt size=4G) nor C(--storage-opt size=5G) limits anything.
  - A data root on such an XFS is left alone. One on an XFS that is mounted without them is mounted again. Otherwise
    an XFS is made on a block device or in a file, and data is copied into it.
  - Nothing is converted, formatted or unmounted without the consent that the option in question gives. Everything that
    stands against the wish is told at once, before the first change.
  - Nothing is lost on the way. The copy is compared with the original entry by entry, with checksums. A conversion that
    fails puts everything back. One that is cut short, by a power failure too, leaves a host whose Docker runs with the
    old data or the new, and the next run finishes it or begins it anew.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes
  - bulkhead.workspace._drain
options:
  path:
    description: Docker's data root. Must be the C(data-root) of C(/etc/docker/daemon.json) where that names one.
    type: path
    default: /var/lib/docker
  state:
    description:
      - V(absent) makes the data root a plain directory again, with the data of today. The file or device that held it
        is kept, as is the old tree of before a conversion. A mount option that was added is taken out again with
        O(remount_ok).
    type: str
    choices: [present, absent]
    default: present
  device:
    description: A block device for the XFS. If not given, O(loop_file) holds it.
    type: path
  loop_file:
    description: File that holds the XFS.
    type: path
    default: /var/lib/docker.xfs
  size:
    description:
      - Size of O(loop_file), with M, G or T (1024-based).
      - A file that is in use and smaller is grown, with Docker running. A larger one stays. An XFS cannot shrink.
    type: str
    default: 20G
  preallocate:
    description: Whether a new file takes all its space at once. Otherwise it takes space as it fills.
    type: bool
    default: false
  sparse_ok:
    description: Consent. The file may be larger than the free space around it.
    type: bool
    default: false
  convert_ok:
    description: Consent. Docker is stopped and the data of a data root that is in use is copied.
    type: bool
    default: false
  remount_ok:
    description:
      - Consent. C(pquota) is added to the line of C(/etc/fstab) or to the mount unit, Docker is stopped, and the file
        system is unmounted and mounted again. With O(state=absent) the same, to take it out again.
    type: bool
    default: false
  format_ok:
    description: Consent. The O(device) is formatted although it is not blank. What it holds is lost.
    type: bool
    default: false
  remove_old_ok:
    description:
      - Consent. The old tree of a conversion, O(path) with the suffix C(.before-xfs), is removed. Never in the run that
        converts, only in a later one, with Docker running on the new file system.
    type: bool
    default: false
requirements:
  - systemd
  - xfsprogs
seealso:
  - module: bulkhead.workspace.docker_host_info
  - module: bulkhead.workspace.docker_size_probe
"""

EXAMPLES = r"""
- name: Put the data root into a file of its own
  bulkhead.workspace.docker_data_root:
    size: 200G

- name: Convert a data root that is in use, and let conversations end first
  bulkhead.workspace.docker_data_root:
    device: /dev/vdb
    convert_ok: true
    drain:
      workspaces: true
      deadline: 1800

- name: Return to a plain directory
  bulkhead.workspace.docker_data_root:
    state: absent
    convert_ok: true
"""

RETURN = r"""
act:
  description: What was done, one of V(keep), V(convert), V(finish), V(remount), V(return).
  returned: success
  type: str
  sample: convert
copied:
  description: What was copied and compared.
  returned: success
  type: dict
  contains:
    entries:
      description: Files, directories and everything else that has a name.
      type: int
      sample: 48211
    bytes:
      description: Bytes of content whose checksums were compared.
      type: int
      sample: 2147483648
grown_to:
  description: New size of the file in bytes, 0 where it stayed.
  returned: success
  type: int
  sample: 0
planned:
  description: Whether there was anything to do, also where nothing was done in check mode.
  returned: success
  type: bool
  sample: true
docker_active:
  description: Whether Docker runs at the end.
  returned: success
  type: bool
  sample: true
tools:
  description: Whether C(mkfs.xfs), C(xfs_growfs) and C(xfs_quota) are installed. Without them check mode only plans.
  returned: success, or refusal before any change
  type: bool
  sample: true
project_quota:
  description: Whether the kernel enforces project quotas at O(path) at the end.
  returned: success
  type: bool
  sample: true
drained:
  description: Who had to make room. Empty where nobody had to.
  returned: success
  type: dict
  contains:
    waited:
      description: How many seconds conversations were waited for.
      type: float
      sample: 12.0
    stopped:
      description: Conversations that were stopped.
      type: list
      elements: str
      sample: [ws-7f3c2a]
    others:
      description: Other containers that were stopped.
      type: list
      elements: str
      sample: [database]
    back:
      description: Those of the others that run again.
      type: list
      elements: str
      sample: [database]
old_tree:
  description: Where the data of before a conversion still is. Empty where there is none.
  returned: success
  type: str
  sample: /var/lib/docker.before-xfs
problems:
  description: Everything that stands against the wish.
  returned: failure before any change
  type: list
  elements: str
  sample: ["cannot convert /var/lib/docker: it is on ext4 and holds data (2.1 GiB); allow the conversion ..."]
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root import note
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.back import Return, decide_back
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.convert import (
    NOTHING_COPIED,
    Conversion,
    remove_tree,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.errors import DataRootError
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.grow import grow
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import Host
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.plan import Plan, decide
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.remount import Remount
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import Facts, look
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.trees import Comparison
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.act import drained
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.wish import ARGUMENT, DrainWish, obstacles

_FIELDS = ("loop_file", "size", "preallocate", "sparse_ok", "convert_ok", "remount_ok", "format_ok", "remove_old_ok")


class DataRootModule:
    """One run: look, decide, refuse or act."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        params: dict[str, Any] = module.params
        self.wish = Wish(
            root=params["path"], device=params["device"] or "", **{field: params[field] for field in _FIELDS}
        )
        self.drain = DrainWish.of(params["drain"])
        self.service = Service(module.run_command)
        self.engine = Engine()
        self.host = Host(module.run_command)

    def run(self) -> dict[str, Any]:
        facts = self._look()
        plan = self._decide(facts)
        problems = list(plan.problems)
        if plan.stops_docker:
            problems += obstacles(facts.running, self.drain, act="stop docker")
        if problems:
            raise RefusedError(problems, facts.tools)
        if plan.warning:
            self.module.warn(plan.warning)
        left_over = facts.note is not None and not plan.stops_docker
        changed = plan.stops_docker or bool(plan.grow) or plan.remove_old or left_over
        said = self._words(plan, facts) if changed else ""
        copied, drain = NOTHING_COPIED, {}
        if changed and not self.module.check_mode:
            if not facts.tools and self.module.params["state"] == "present":
                raise DataRootError(
                    "cannot make an XFS: mkfs.xfs, xfs_growfs or xfs_quota is missing; install xfsprogs"
                )
            with drained(self.engine, self.drain, why="the data root moves", active=self._stops(plan, facts)) as gone:
                copied = self._act(plan, facts)
            drain = gone.as_dict()
            if left_over:
                self._clear_away(facts)
            facts = self._look()
        return {
            "changed": changed,
            "act": plan.act,
            "copied": {"entries": copied.entries, "bytes": copied.bytes},
            "grown_to": plan.grow,
            "planned": changed,
            "docker_active": facts.docker_active,
            "tools": facts.tools,
            "project_quota": facts.ready,
            "old_tree": str(self.wish.aside) if facts.aside else "",
            "drained": drain,
            "diff": {"before": "", "after": said},
        }

    def _look(self) -> Facts:
        return look(self.wish, self.module.run_command, self.service, self.engine)

    def _stops(self, plan: Plan, facts: Facts) -> bool:
        return plan.stops_docker and facts.docker_active

    def _decide(self, facts: Facts) -> Plan:
        if self.module.params["state"] == "present":
            return decide(self.wish, facts)
        root = Path(self.wish.root)
        inside, below = (os.statvfs(place) for place in (root if root.exists() else "/", root.parent))
        used = (inside.f_blocks - inside.f_bfree) * inside.f_frsize
        return decide_back(self.wish, facts, used=used, free=below.f_bavail * below.f_frsize)

    def _act(self, plan: Plan, facts: Facts) -> Comparison:
        if plan.act == "convert":
            return Conversion(self.wish, facts, self.host).run()
        if plan.act == "return":
            return Return(self.wish, facts, self.host).run()
        if plan.act == "finish":
            Conversion(self.wish, facts, self.host).finish()
        elif plan.act == "remount":
            remount = Remount(self.wish, facts, self.host)
            remount.run() if self.module.params["state"] == "present" else remount.undo()
        if plan.grow:
            note.write(self.wish.note, note.Note("grow", self.wish.loop_file, facts.docker_active))
            grow(self.host, self.wish, plan.grow)
            note.remove(self.wish.note)
        if plan.remove_old:
            remove_tree(self.wish.aside)
        return NOTHING_COPIED

    def _clear_away(self, facts: Facts) -> None:
        """An earlier run was cut short at its very end: nothing is left but its note, and Docker perhaps down."""
        if facts.note and facts.note.active and not facts.docker_active:
            self.host.start_docker()
        note.remove(self.wish.note)

    def _words(self, plan: Plan, facts: Facts) -> str:
        place = facts.committed if plan.act in ("keep", "finish", "return") else self.wish.place
        said = {
            "keep": f"{self.wish.root} stays on {place}",
            "convert": f"{self.wish.root} is mounted from {self.wish.place}",
            "finish": f"{self.wish.root} is mounted from {place}, as an earlier run began",
            "remount": f"{facts.mount_point} is mounted again with other quota options",
            "return": f"{self.wish.root} is a plain directory, its data copied out of {place}",
        }[plan.act]
        if plan.grow:
            said += f", grown to {self.wish.size}"
        return said + (f", {self.wish.aside} is removed\n" if plan.remove_old else "\n")


class RefusedError(DataRootError):
    """Something stands against the wish; nothing was changed."""

    def __init__(self, problems: list[str], tools: bool) -> None:
        super().__init__("; ".join([*problems, "nothing was changed"]))
        self.problems = problems
        self.tools = tools


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/var/lib/docker"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "device": {"type": "path"},
            "loop_file": {"type": "path", "default": "/var/lib/docker.xfs"},
            "size": {"type": "str", "default": "20G"},
            "preallocate": {"type": "bool", "default": False},
            "sparse_ok": {"type": "bool", "default": False},
            "convert_ok": {"type": "bool", "default": False},
            "remount_ok": {"type": "bool", "default": False},
            "format_ok": {"type": "bool", "default": False},
            "remove_old_ok": {"type": "bool", "default": False},
            "drain": ARGUMENT,
        },
        supports_check_mode=True,
    )
    try:
        result = DataRootModule(module).run()
    except RefusedError as refusal:
        module.fail_json(msg=str(refusal), problems=refusal.problems, tools=refusal.tools)
    except DataRootError as error:
        module.fail_json(msg=str(error))
    except NoAnswerError as silence:
        # It answered when it was looked at, and fell silent while containers were to make room.
        module.fail_json(
            msg=f"cannot stop the running containers: {silence}; bring Docker back to health, or stop it; "
            "the data root was not changed"
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
