# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The Ansible edge that the modules share: argument specification, one way to fail, reports for a result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from .._archive.arguments import ARCHIVE
from .errors import InvalidRequestError, LayerNotInForceError, WorkspaceError
from .parameters import ARGUMENTS, TASK_ARGUMENTS, VARIABLES

DOCKER_HOST = {"type": "str", "default": "unix:///var/run/docker.sock"}
SECRET_FILES = TASK_ARGUMENTS["secret_files"]


def container_arguments() -> dict[str, Any]:
    """The argument specification of workspace_container: the option table, and how the task is to be done."""
    table = {
        name: {**argument, "fallback": (env_fallback, [VARIABLES[name]])} if name in VARIABLES else argument
        for name, argument in ARGUMENTS.items()
    }
    table["archive"] = {**table["archive"], "options": ARCHIVE}
    return {**table, "docker_host": DOCKER_HOST, "workspaces": {"type": "list", "elements": "dict"}}


@contextmanager
def failing(module: AnsibleModule) -> Iterator[None]:
    """Turns this collection's errors into the module's one failure."""
    try:
        yield
    except InvalidRequestError as error:
        module.fail_json(msg=str(error), problems=list(error.problems))
    except LayerNotInForceError as error:
        module.fail_json(msg=str(error), layers=error.layers)
    except WorkspaceError as error:
        module.fail_json(msg=str(error))
