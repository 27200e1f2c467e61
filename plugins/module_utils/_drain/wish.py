# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may be stopped before Docker goes down, and what to say where nobody may. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import Container

#: Every container of a conversation has labels of this kind.
LABEL = "io.bulkhead.workspace."

#: The option `drain` of the modules that stop or restart Docker.
ARGUMENT: dict[str, Any] = {
    "type": "dict",
    "options": {
        "workspaces": {"type": "bool", "default": False},
        "others": {"type": "list", "elements": "str", "default": []},
        "deadline": {"type": "int", "default": 600},
        "grace": {"type": "int", "default": 30},
    },
}


@dataclass(frozen=True)
class DrainWish:
    """Consent: ``workspaces`` may be waited for and stopped, ``others`` are names of containers that may be, too."""

    workspaces: bool = False
    others: frozenset[str] = frozenset()
    deadline: int = 600
    grace: int = 30

    @classmethod
    def of(cls, option: dict[str, Any] | None) -> DrainWish:
        """From the option `drain`, which may be missing."""
        if option is None:
            return cls()
        return cls(option["workspaces"], frozenset(option["others"]), option["deadline"], option["grace"])


def is_workspace(container: Container) -> bool:
    return any(label.startswith(LABEL) for label in container.labels)


def obstacles(running: Iterable[Container], wish: DrainWish, *, act: str) -> list[str]:
    """What stands against `act`, such as "stop docker": running containers without consent, all of them by name."""
    conversations = [one.name for one in running if is_workspace(one)]
    strangers = [one.name for one in running if not is_workspace(one) and one.name not in wish.others]
    found = []
    if conversations and not wish.workspaces:
        found.append(
            f"cannot {act}: conversations are running ({', '.join(conversations)}); end them, or allow the drain, "
            f"which lets no new one begin, waits {wish.deadline} s and then stops them"
        )
    if strangers:
        found.append(
            f"cannot {act}: containers are running ({', '.join(strangers)}) that are no conversations; stop them, "
            "or name each one as a container that may be stopped"
        )
    return found
