# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The names under which a conversation is known on a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MANAGED = "io.bulkhead.workspace.managed"
CONVERSATION = "io.bulkhead.workspace.conversation"
SPECIFICATION = "io.bulkhead.workspace.spec"
EXPIRES_AFTER = "io.bulkhead.workspace.expires_after"
IDLE_AFTER = "io.bulkhead.workspace.idle_after"
PROBE = "io.bulkhead.workspace.probe"
REPLACED = ".replaced"

WORKSPACE = "/workspace"
VENV = "/opt/venv"
PROXY_MOUNT = "/run/proxy"

# The runtimes that run a container on the host's kernel. Any other has a kernel of its own between the two, so the
# profiles of L2 do not apply inside, and mounts and processes inside cannot be seen from the host.
HOST_KERNEL_RUNTIMES = frozenset({"runc", "crun", "io.containerd.runc.v2"})

# Those of them that bring up the loopback interface when they make the network themselves, as far as it was tried.
LOOPBACK_RUNTIMES = frozenset({"runc", "io.containerd.runc.v2"})
HOSTS_FILE = "/var/lib/bulkhead/hosts"

PROXY_CONTROL_SOCKET = "/run/credential_proxy/control.sock"
PROXY_DIRECTORY = "/var/lib/credential_proxy/conversations"


def container(conversation_id: str) -> str:
    """Name of the container of a conversation."""
    return f"ws-{conversation_id}"


def replaced(conversation_id: str) -> str:
    """Name of a container that is being replaced. A dot occurs in no conversation's name, so it is nobody else's."""
    return f"{container(conversation_id)}{REPLACED}"


def workspace_volume(conversation_id: str) -> str:
    """Name of the volume mounted at /workspace."""
    return f"ws-{conversation_id}-workspace"


def venv_volume(conversation_id: str) -> str:
    """Name of the volume mounted at /opt/venv."""
    return f"ws-{conversation_id}-venv"


def labels(conversation_id: str) -> dict[str, str]:
    """The labels that mark an object as ours and of this conversation."""
    return {MANAGED: "true", CONVERSATION: conversation_id}


def is_ours(found: Mapping[str, Any] | None, conversation_id: str) -> bool:
    """Whether labels mark an object of this conversation; nothing else is ever touched."""
    return labels(conversation_id).items() <= dict(found or {}).items()
