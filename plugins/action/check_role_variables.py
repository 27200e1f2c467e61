# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module check_role_variables: reads specifications and variables, asks the pure part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _role_variables

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core is not typed
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(
            argument_spec={
                "roles": {"type": "list", "elements": "str", "required": True},
                "values": {"type": "bool", "default": True},
                "extra_only": {"type": "list", "elements": "str", "default": []},
            }
        )[1]
        problems = _role_variables.unseen(arguments["extra_only"], variables, load_extra_vars(self._loader))
        for role in arguments["roles"]:
            specification = _specification(role)
            given = [name for name in variables if name.startswith(f"{role}_")]
            problems += _role_variables.unknown(role, specification, given)
            if arguments["values"]:
                values, undefined = self._values(role, variables, _role_variables.checkable(specification, given))
                problems += undefined + _role_variables.mistyped(role, specification, values)
        if problems:
            host = variables["inventory_hostname"]
            return {"failed": True, "problems": problems, "msg": _role_variables.told(host, problems)}
        return {"changed": False, "problems": []}

    def _values(self, role: str, variables: dict[str, Any], names: list[str]) -> tuple[dict[str, Any], list[str]]:
        values, problems = {}, []
        for name in names:
            try:
                values[name] = self._templar.template(variables[name])
            except AnsibleError as error:
                problems.append(f"the role {role} cannot use {name}: {error.message}")
        return values, problems


def _specification(role: str) -> dict[str, Any]:
    file = ROLES / role / "meta" / "argument_specs.yml"
    try:
        options: dict[str, Any] = yaml_load(file.read_text())["argument_specs"]["main"]["options"]
    except FileNotFoundError as error:
        raise AnsibleActionFail(f"cannot check role {role}: this collection has none; correct 'roles'") from error
    return options
