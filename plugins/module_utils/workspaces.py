# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python door: keep the container of a conversation from a back end, without an Ansible process.

The same implementation as the module workspace_container, with the same options, defaults, environment variables,
results and refusals. It runs on the Docker host, as root, and may be called from several threads. This file is public:
its names and what they take and return change only with a new major version.

    from ansible_collections.bulkhead.workspace.plugins.module_utils.workspaces import create, info, remove
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from socket import socket
from typing import Any

from ._workspace import inside, names, parse
from ._workspace.batch import batch_result
from ._workspace.driver import Driver
from ._workspace.errors import InvalidRequestError, LayerNotInForceError, WorkspaceError
from ._workspace.listing import conversations
from ._workspace.parameters import defaults, typed_options
from ._workspace.report import outcome_result
from ._workspace.service import keep, keep_one
from ._workspace.wish import build_wish, build_wishes

__all__ = [
    "DOCKER_HOST",
    "InvalidRequestError",
    "LayerNotInForceError",
    "WorkspaceError",
    "connect",
    "create",
    "create_many",
    "info",
    "remove",
]

DOCKER_HOST = "unix:///var/run/docker.sock"

# One connection pool for each daemon: a new one costs as much as five calls.
_driver = lru_cache(maxsize=8)(Driver)


def create(conversation_id: str, image: str, *, docker_host: str = DOCKER_HOST, **options: Any) -> dict[str, Any]:
    """Creates and starts a conversation's container if needed, and proves its layers.

    ``options`` are those of workspace_container, by the same names. Returns that module's result. Raises
    InvalidRequestError (``problems``: all that is wrong, nothing was changed), LayerNotInForceError (``layers``: the
    kernel's evidence, what was made is removed again) or their parent WorkspaceError.
    """
    return _keep({**options, "conversation_id": conversation_id, "image": image}, docker_host)


def create_many(
    workspaces: Sequence[Mapping[str, Any]], *, docker_host: str = DOCKER_HOST, **options: Any
) -> dict[str, Any]:
    """Does the same for several at once. Each entry has at least ``conversation_id``; ``options`` hold for all.

    Returns the result of the module with ``workspaces``: look at each entry's ``failed`` and ``msg``. Raises only for
    what concerns all: InvalidRequestError when any entry is wrong, WorkspaceError when Docker does not answer.
    """
    wishes = build_wishes(_complete(options), workspaces)
    return batch_result(wishes, keep(_driver(docker_host), wishes))


def remove(conversation_id: str, *, docker_host: str = DOCKER_HOST, **options: Any) -> dict[str, Any]:
    """Removes a conversation: container, volumes with all files, and its place at the credential proxy."""
    return _keep({**options, "conversation_id": conversation_id, "state": "absent"}, docker_host)


def info(
    conversation_id: str | None = None, *, docker_host: str = DOCKER_HOST, secret_files: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The conversations of this host, or one of them, as workspace_container_info lists them."""
    if conversation_id is not None:
        try:
            parse.conversation_id(conversation_id)
        except ValueError as error:
            raise InvalidRequestError("look at a conversation", [f"conversation_id: {error}"]) from error
    return conversations(_driver(docker_host), conversation_id, secret_files).conversations


def connect(
    conversation_id: str, path: str = "/var/run/ws", *, docker_host: str = DOCKER_HOST, timeout: float | None = None
) -> socket:
    """A connection to the unix socket on which a program in the conversation's container listens.

    No link inside the container is followed. ``timeout`` is in seconds and holds for the connection's whole life.
    Raises WorkspaceError when the conversation does not run or nothing listens.
    """
    container = _driver(docker_host).container(names.container(parse.conversation_id(conversation_id)))
    if container is None or not container["State"]["Running"]:
        raise WorkspaceError(f"cannot connect to conversation {conversation_id}: it does not run; call create() first")
    if not names.is_ours(container["Config"].get("Labels"), conversation_id):
        raise WorkspaceError(f"cannot connect to conversation {conversation_id}: its container is not ours")
    return inside.connect(int(container["State"]["Pid"]), path, timeout)


def _keep(options: Mapping[str, Any], docker_host: str) -> dict[str, Any]:
    wish = build_wish(_complete(options))
    return {
        **outcome_result(wish.conversation_id, outcome := keep_one(_driver(docker_host), wish)),
        "warnings": list(outcome.warnings),
    }


def _complete(options: Mapping[str, Any]) -> dict[str, Any]:
    given, problems = typed_options(options)
    if problems:
        raise InvalidRequestError("describe the workspace", problems)
    return defaults() | given
