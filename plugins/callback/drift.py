# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what tasks would change; see plugin_utils/_drift.py for what is made of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift
type: aggregate
short_description: Tell in a line each what a check run would change
version_added: 2.0.0
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
description:
  - Condenses C(--check --diff) to host, role, task, field, what was seen and what is wished, at the end of the run.
  - The playbook C(bulkhead.workspace.drift) fails with these lines, host by host, so that its exit code can be watched.
  - Without C(--check) it tells what was changed.
requirements:
  - Enabled with C(ANSIBLE_CALLBACKS_ENABLED=bulkhead.workspace.drift), or C(callbacks_enabled) in the configuration.
options:
  file:
    description: A file on the controller for the same as JSON, keyed by host.
    type: path
    env:
      - name: BULKHEAD_DRIFT_FILE
    ini:
      - section: callback_bulkhead_drift
        key: file
"""

import json
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _drift


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core is not typed
    """One list of differences for each host that answered."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "bulkhead.workspace.drift"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, _playbook: Any) -> None:
        """Begin with nothing; what is nothing at the end was looked at and is as wished."""
        _drift.FOUND = {}

    def v2_runner_on_ok(self, result: Any) -> None:
        """Keep what the task would change."""
        if _drift.FOUND is None:
            return
        role = result.task._role.get_name(include_role_fqcn=False) if result.task._role else ""
        found = _drift.FOUND.setdefault(result.host.get_name(), [])
        if result.is_changed():
            arguments = result.task_fields.get("args") or {}
            target = arguments.get("dest") or arguments.get("path") or ""
            known = isinstance(target, str) and "{{" not in target
            found += _drift.differences(role, result.task.name, result.result, target if known else "")

    def v2_playbook_on_stats(self, _stats: Any) -> None:
        """Tell it, and write it to the file."""
        found = _drift.FOUND or {}
        for host, entries in sorted(found.items()):
            for entry in entries:
                self._display.display(f"{host}: {entry.line()}")
        if file := self.get_option("file"):
            told = {host: [entry.as_dict() for entry in entries] for host, entries in sorted(found.items())}
            Path(file).write_text(json.dumps(told, indent=2) + "\n")
