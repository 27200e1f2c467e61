# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Removes conversations that have come to their end, and what is left of those that have no container any more.

Each is looked at again under its lock before anything goes, so one that was started meanwhile is not touched.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import activity, names
from .audit_log import AUDIT_LOG, read_requests
from .driver import Driver
from .errors import WorkspaceError
from .expiry import Life, life, reason_to_end, seconds
from .lock import locked
from .parameters import defaults
from .proxy_control import ProxyControl
from .service import keep
from .wish import Wish, build_wish

# A task that works on the conversation right now comes first.
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where to look, and how old something without a container must be to count as left behind (seconds)."""

    orphan_grace: int = 600
    proxy_control_socket: str = names.PROXY_CONTROL_SOCKET
    proxy_directory: str = names.PROXY_DIRECTORY
    audit_log: str = AUDIT_LOG


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A conversation that was removed or, with an error, could not be."""

    conversation_id: str
    reason: str
    actions: tuple[str, ...] = ()
    error: str = ""


def reap(driver: Driver, settings: Settings, *, dry_run: bool = False) -> list[Ended]:
    """Removes what has come to its end; says what it would remove when ``dry_run``."""
    now = time.time()
    # One that was being replaced when its task was killed is none of its own.
    standing = [entry for entry in driver.managed_containers() if not str(entry["Name"]).endswith(names.REPLACED)]
    containers = {_conversation(entry): entry for entry in standing}
    requests = read_requests(settings.audit_log)
    asked = {str(entry["Id"]): requests[key].last for key, entry in containers.items() if key in requests}
    looks = activity.look(containers.values(), now, asked)
    if not dry_run:
        activity.keep(looks)

    def lived(container: Mapping[str, Any]) -> Life:
        seen = looks.get(str(container["Id"]))
        return life(container, seen.last_work if seen else None)

    ended = []
    for conversation, container in sorted(containers.items()):
        if reason := reason_to_end(lived(container), now):
            ended.append(_remove(driver, settings, conversation, reason, container["Id"], dry_run=dry_run))
    for conversation, reason in sorted(_orphans(driver, settings, containers, now).items()):
        ended.append(_remove(driver, settings, conversation, reason, None, dry_run=dry_run))
    return ended


def _orphans(
    driver: Driver, settings: Settings, containers: Mapping[str, Mapping[str, Any]], now: float
) -> dict[str, str]:
    """Conversations that have volumes or a socket, but no container, and have had them for a while."""
    youngest: dict[str, float] = {}
    for volume in driver.volumes(label=f"{names.MANAGED}=true").values():
        conversation = _label(volume.get("Labels"))
        made = seconds(str(volume.get("CreatedAt", ""))) or now
        youngest[conversation] = max(youngest.get(conversation, 0.0), made)
    for conversation in _open_at_proxy(settings):
        with suppress(OSError):
            made = (Path(settings.proxy_directory) / conversation).stat().st_mtime
            youngest[conversation] = max(youngest.get(conversation, 0.0), made)
    return {
        conversation: f"orphan: without a container for {now - made:.0f} s"
        for conversation, made in youngest.items()
        if conversation and conversation not in containers and now - made >= settings.orphan_grace
    }


def _open_at_proxy(settings: Settings) -> frozenset[str]:
    if not Path(settings.proxy_control_socket).exists():
        return frozenset()
    try:
        return ProxyControl(settings.proxy_control_socket).conversations()
    except WorkspaceError:
        # What is removed is told all the same, and each removal says what the proxy did not do.
        return frozenset()


def _remove(
    driver: Driver, settings: Settings, conversation: str, reason: str, container_id: str | None, *, dry_run: bool
) -> Ended:
    try:
        wish = _absent(conversation, settings)
        if dry_run:
            return _told(conversation, reason, keep(driver, [wish], dry_run=True, lock=False)[0])
        with locked([conversation], patience=_PATIENCE_SECONDS):
            if not _still(driver, wish, container_id):
                return Ended(conversation_id=conversation, reason="kept: it was started anew meanwhile")
            return _told(conversation, reason, keep(driver, [wish], lock=False)[0])
    except WorkspaceError as error:
        return Ended(conversation_id=conversation, reason=reason, error=str(error))


def _still(driver: Driver, wish: Wish, container_id: str | None) -> bool:
    found = driver.container(wish.request.container_name)
    return (found["Id"] if found else None) == container_id


def _told(conversation: str, reason: str, result: Any) -> Ended:
    if isinstance(result, WorkspaceError):
        return Ended(conversation_id=conversation, reason=reason, error=str(result))
    return Ended(
        conversation_id=conversation, reason=reason, actions=tuple(str(action) for action in result.plan.actions)
    )


def _absent(conversation: str, settings: Settings) -> Wish:
    return build_wish(
        {
            **defaults(),
            "conversation_id": conversation,
            "state": "absent",
            "proxy_control_socket": settings.proxy_control_socket,
            "proxy_directory": settings.proxy_directory,
        }
    )


def _conversation(container: Mapping[str, Any]) -> str:
    return _label(container["Config"].get("Labels"))


def _label(labels: Mapping[str, str] | None) -> str:
    return (labels or {}).get(names.CONVERSATION, "")
