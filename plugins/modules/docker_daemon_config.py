#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon_config
short_description: Merge settings into the configuration of the Docker daemon
description:
  - The one owner of C(/etc/docker/daemon.json). Settings are merged key by key into what the host has;
    keys that nobody mentions survive.
  - The daemon is restarted only when the meaning of the file changed, and only reloaded where it can take the change
    over while it runs. If it does not answer afterwards, the old file and the old daemon are brought back, and the
    task fails with the last words of C(dockerd).
  - A run that is killed between writing the file and restarting the daemon leaves a note beside the file
    (O(path) with the suffix C(.pending)), so that the next run finishes the work or finds the way back.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 1.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes
  - bulkhead.workspace._drain
attributes:
  diff_mode:
    details:
      - The diff shows the changed keys only, without what may be a secret, such as the password of a proxy. That a
        secret changes is told.
options:
  path:
    description: The configuration file of the daemon. It and its directory are created if missing.
    type: path
    default: /etc/docker/daemon.json
  state:
    description:
      - V(absent) puts every setting back that O(record) remembers, unless somebody else has changed it since. Objects,
        C(storage-opts) and C(exec-opts) go back entry by entry, so that what others have added to them stays.
    type: str
    choices: [present, absent]
    default: present
    version_added: 2.0.0
  record:
    description:
      - A file, for root alone, that remembers what each setting was before this task first changed it. Required with
        O(state=absent), which removes it unless a setting had to stay.
      - With it, O(settings) and O(remove) are all that its owner wishes. What it remembers and neither of them mentions
        any more is put back as with O(state=absent), so tasks with different settings need a record each.
    type: path
    version_added: 2.0.0
  settings:
    description:
      - The settings that the file shall have. Objects are merged key by key, C(storage-opts) and C(exec-opts)
        by the name before the C(=); any other value replaces the one on the host.
      - A value of V(null) is refused. Use O(remove).
    type: dict
    default: {}
  remove:
    description:
      - Settings that the file shall not have, as V(KEY) or V(KEY/ENTRY), such as
        V(storage-opts/overlay2.override_kernel_check).
      - A list or object that loses its last entry is taken out as well.
    type: list
    elements: str
    default: []
  restart:
    description:
      - What to do about the running daemon when the configuration changed.
      - With V(idle) it is restarted if no container runs, or those that run may be stopped by O(drain). Otherwise the
        task fails before any change.
      - With V(always) it is restarted in any case. Running containers are stopped by that,
        unless C(live-restore) was in force before and the change allows it. With O(drain.workspaces), conversations are
        drained before, as with V(idle); nothing else that runs, nor a daemon that does not answer, keeps it from the
        restart.
      - With V(never) only the file is written. The return value RV(restart_pending) is then V(true), and a
        later task with another value restarts the daemon.
    type: str
    choices: [idle, always, never]
    default: idle
  started:
    description:
      - Whether a stopped daemon is started, which is the only proof that it can run with the file.
      - Without effect if O(restart=never).
    type: bool
    default: true
  timeout:
    description: How many seconds the daemon has to answer after a restart.
    type: int
    default: 60
requirements:
  - systemd
seealso:
  - name: Daemon configuration file
    description: Every key that dockerd knows.
    link: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
"""

EXAMPLES = r"""
- name: Rotate the logs of containers
  bulkhead.workspace.docker_daemon_config:
    settings:
      log-driver: json-file
      log-opts:
        max-size: 10m
        max-file: "3"

- name: Take out an option that dockerd 24 and later refuse to start with
  bulkhead.workspace.docker_daemon_config:
    remove:
      - storage-opts/overlay2.override_kernel_check

- name: Register a runtime, which needs no restart
  bulkhead.workspace.docker_daemon_config:
    settings:
      runtimes:
        runsc:
          path: /usr/bin/runsc
    record: /var/lib/bulkhead/gvisor.json

- name: Take it out again
  bulkhead.workspace.docker_daemon_config:
    state: absent
    record: /var/lib/bulkhead/gvisor.json

- name: Switch user namespaces on, running containers or not
  bulkhead.workspace.docker_daemon_config:
    settings:
      userns-remap: default
    restart: always
"""

RETURN = r"""
differences:
  description: The settings whose meaning changes.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: Path of the setting.
      type: str
      sample: log-opts/max-size
    action:
      description: What happens to it, one of V(added), V(changed), V(removed).
      type: str
      sample: added
    before:
      description: Its old value.
      type: raw
      sample: null
    after:
      description: Its new value.
      type: raw
      sample: false
  sample:
    - key: icc
      action: added
      before: null
      after: false
backup_file:
  description: Where the old file went.
  returned: when a file that existed was replaced
  type: str
  sample: /etc/docker/daemon.json.8841.2026-03-01@12:00:00~
restarted:
  description: Whether the daemon was started or restarted, in check mode whether it would be.
  returned: success
  type: bool
  sample: true
reloaded:
  description: Whether the daemon took the file over without a restart, in check mode whether it would.
  returned: success
  type: bool
  sample: false
foreign:
  description:
    - Settings that O(record) remembers, that are wished for no more, and that somebody else has changed since, as
      C(KEY) or C(KEY/ENTRY). They stay, and O(record) goes on to remember them.
  returned: success
  type: list
  elements: str
  sample: []
drained:
  description: Who had to make room for the restart. Empty where nobody had to.
  returned: success
  type: dict
  sample: {}
restart_pending:
  description: Whether the daemon still runs with an older configuration.
  returned: success
  type: bool
  sample: false
running_containers:
  description: Names of the containers that stand in the way of a restart.
  returned: failure, when O(restart=idle) and containers run
  type: list
  elements: str
  sample: [database]
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config import pending, record
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.apply import (
    ConfigFile,
    reload_or_restore,
    restart_or_restore,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.document import parse, render
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import (
    DaemonConfigError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.mask import (
    masked_pair,
    presentable_changes,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import (
    excerpt,
    merge,
    request_problems,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.plan import Plan, plan
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service, ServiceState
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.validate import validate
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.act import Drained, drained
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.wish import ARGUMENT, DrainWish, obstacles


class DaemonConfigModule:
    """One run of the module: look, decide, refuse or act."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params: dict[str, Any] = module.params
        self.config = ConfigFile(self.params["path"], module.atomic_move)
        self.service = Service(module.run_command)
        self.engine = Engine()
        self.drain = DrainWish.of(self.params["drain"])
        present = self.params["state"] == "present"
        self.settings: dict[str, Any] = self.params["settings"] if present else {}
        self.remove: list[str] = self.params["remove"] if present else []
        self.record = record.load(self.params["record"])
        self.given_up = self.record.given_up(self.settings, self.remove)

    def run(self) -> dict[str, Any]:
        problems = request_problems(self.params["settings"], self.params["remove"])
        if problems:
            raise DaemonConfigError("; ".join(problems))
        old_text = self.config.read()
        old = parse(old_text or "", self.config.path)
        before, foreign = self.given_up.undo(old)
        state = self.service.state()
        note = pending.read_note(self.config.path)
        wanted = plan(old, merge(before, self.settings, self.remove), state=state, note=note)
        start = not state.active and self.params["started"] and self.params["state"] == "present"
        act = (wanted.due or start) and self.params["restart"] != "never"
        restart = act and not wanted.reload
        shown = masked_pair(excerpt(old, wanted.changes), excerpt(wanted.new, wanted.changes))
        result: dict[str, Any] = {
            "changed": bool(wanted.changes) or act or (self._forgets(foreign) and not wanted.due),
            "differences": presentable_changes(wanted.changes),
            "diff": {
                "before": render(shown[0]),
                "after": render(shown[1]),
                "before_header": f"{self.config.path} (changed keys)",
                "after_header": f"{self.config.path} (changed keys)",
            },
            "restarted": restart,
            "reloaded": act and wanted.reload,
            "restart_pending": wanted.due and not act,
            "foreign": foreign,
            "drained": {},
        }
        if wanted.changes:
            validate(self.module, wanted.new, self.config.path)
        if restart and wanted.due:
            self._refuse_running()
        if self.module.check_mode:
            return result
        if act and not state.exists:
            raise DaemonConfigError(
                "cannot restart docker: the unit docker.service does not exist; install Docker first, "
                "or use restart: never to write the file only; nothing was changed"
            )
        with self._room(restart and wanted.due) as room:
            self._act(wanted, act=act, state=state, old=old, old_text=old_text, note=note, result=result)
        if room is not None:
            result["drained"] = room.as_dict()
        return result

    def _act(
        self,
        wanted: Plan,
        *,
        act: bool,
        state: ServiceState,
        old: dict[str, Any],
        old_text: str | None,
        note: pending.Note | None,
        result: dict[str, Any],
    ) -> None:
        good = self._last_good(note) if note and wanted.unproven else old_text
        remembered = record.file_of(self.params["record"]).read() if self.params["record"] else None
        if wanted.changes:
            backup = note.backup if note and wanted.unproven else self._back_up(old_text)
            if backup:
                result["backup_file"] = backup
            self.config.prepare_directory()
            self._remember(old, wanted)
            pending.write_note(self.config.path, backup, reload=wanted.reload)
            self.config.write(render(wanted.new))
        try:
            self._put_in_force(wanted, act=act, state=state, good=good)
        except DaemonConfigError:
            # The old file is back, and so is what was known of it.
            if self.params["record"]:
                record.file_of(self.params["record"]).write(remembered)
            raise
        if not act and note and not wanted.unproven:
            pending.remove_note(self.config.path)
        if self._forgets(result["foreign"]) and not result["restart_pending"]:
            self._forget(result["foreign"])

    def _put_in_force(self, wanted: Plan, *, act: bool, state: ServiceState, good: str | None) -> None:
        if act and wanted.reload:
            reload_or_restore(
                config=self.config,
                good=good,
                service=self.service,
                engine=self.engine,
                timeout=self.params["timeout"],
            )
        elif act:
            restart_or_restore(
                config=self.config,
                good=good,
                was_active=state.active,
                service=self.service,
                engine=self.engine,
                timeout=self.params["timeout"],
            )

    @contextmanager
    def _room(self, needed: bool) -> Iterator[Drained | None]:
        """Where containers may be stopped for the restart, a context in which they are."""
        room, always = None, self.params["restart"] == "always"
        with ExitStack() as stack:
            if needed and (self.drain.workspaces or not always):
                try:
                    room = stack.enter_context(drained(self.engine, self.drain, why="Docker restarts", active=True))
                except NoAnswerError as silence:
                    if not always:
                        raise DaemonConfigError(
                            f"cannot restart docker: it fell silent while containers were to make room ({silence}); "
                            "bring it back to health, or allow the restart with restart: always; "
                            f"{self.config.path} was not changed"
                        ) from silence
                    self.module.warn(f"conversations were not drained before the restart: {silence}")
            yield room

    def _forgets(self, foreign: list[str]) -> bool:
        """Whether something is back, or has to stay, that the record names."""
        if not self.params["record"] or not Path(self.params["record"]).exists():
            return False
        left = self.record.without(self.given_up, foreign)
        return left != self.record or not left.keys

    def _forget(self, foreign: list[str]) -> None:
        left = self.record.without(self.given_up, foreign)
        if left.keys:
            record.save(self.params["record"], left)
        else:
            Path(self.params["record"]).unlink()

    def _remember(self, old: dict[str, Any], wanted: Plan) -> None:
        if self.params["record"] and self.params["state"] == "present":
            self.record.note(old, wanted.new, wanted.changes, self.given_up)
            record.save(self.params["record"], self.record)

    def _last_good(self, note: pending.Note) -> str | None:
        """While a note stands, the file on disk is unproven; the last good one is what the note names."""
        return ConfigFile(note.backup, self.module.atomic_move).read() if note.backup else None

    def _back_up(self, text: str | None) -> str | None:
        return None if text is None else str(self.module.backup_local(self.config.path))

    def _refuse_running(self) -> None:
        if self.params["restart"] == "always":
            return
        try:
            running = self.engine.containers()
        except NoAnswerError as silence:
            raise DaemonConfigError(
                f"cannot restart docker: it does not say which containers run ({silence}); "
                "bring it back to health, or allow the restart with restart: always; nothing was changed"
            ) from silence
        problems = obstacles(running, self.drain, act="restart docker")
        if problems:
            raise RunningContainersError(problems, [container.name for container in running])


class RunningContainersError(DaemonConfigError):
    """A restart would hit running containers."""

    def __init__(self, problems: list[str], names: list[str]) -> None:
        super().__init__("; ".join([*problems, "or allow the restart with restart: always; nothing was changed"]))
        self.names = names


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "record": {"type": "path"},
            "settings": {"type": "dict", "default": {}},
            "remove": {"type": "list", "elements": "str", "default": []},
            "restart": {"type": "str", "choices": ["idle", "always", "never"], "default": "idle"},
            "started": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 60},
            "drain": ARGUMENT,
        },
        required_if=[("state", "absent", ["record"])],
        supports_check_mode=True,
    )
    try:
        result = DaemonConfigModule(module).run()
    except RunningContainersError as error:
        module.fail_json(msg=str(error), running_containers=error.names)
    except DaemonConfigError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
