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

from .errors import InvalidRequestError, LayerNotInForceError, WorkspaceError
from .options import OPTIONS
from .request import LAYERS

DOCKER_HOST = {"type": "str", "default": "unix:///var/run/docker.sock"}
# The paths are no secret; the content never leaves search.py.
SECRET_FILES = {"type": "list", "elements": "path", "default": [], "no_log": False}


def container_arguments() -> dict[str, Any]:
    """The argument specification of workspace_container: the option table, and how the task is to be done."""
    table = {
        option.name: (
            {**option.argument, "fallback": (env_fallback, [option.variable])} if option.variable else option.argument
        )
        for option in OPTIONS
        if option.argument is not None
    }
    return {
        **table,
        "state": {"type": "str", "choices": ["present", "started", "stopped", "absent"], "default": "started"},
        "docker_host": DOCKER_HOST,
        "recreate": {"type": "bool", "default": False},
        "required_layers": {"type": "list", "elements": "str", "choices": list(LAYERS), "default": list(LAYERS)},
        "secret_files": SECRET_FILES,
        "start_timeout": {"type": "int", "default": 30},
    }


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
