# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The planner: desired and actual state in, a list of actions out. Pure: it asks nobody and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from . import names
from .errors import WorkspaceError
from .field import Difference, described, differences
from .options import FIELDS
from .specification import Request, Specification


class Act(Enum):
    """Everything that can be done to a conversation, in words fit for a result."""

    PULL_IMAGE = "pull image"
    OPEN_PROXY = "open proxy"
    CREATE_VOLUME = "create volume"
    CREATE_CONTAINER = "create container"
    UPDATE_CONTAINER = "update container"
    START = "start"
    UNPAUSE = "unpause"
    STOP = "stop"
    ARCHIVE = "archive"
    SET_ASIDE = "replace container"
    REMOVE_CONTAINER = "remove container"
    REMOVE_VOLUME = "remove volume"
    CLOSE_PROXY = "close proxy"


@dataclass(frozen=True)
class Action:
    """One act upon one object."""

    act: Act
    target: str

    def __str__(self) -> str:
        return f"{self.act.value} {self.target}"


@dataclass(frozen=True, kw_only=True)
class Actual:
    """What the host holds under the names of a conversation, as Docker and the proxy report it."""

    container: Mapping[str, Any] | None = None
    # Left behind by a run that was interrupted while it replaced the container.
    replaced: Mapping[str, Any] | None = None
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    proxy_open: bool = False

    @property
    def status(self) -> str:
        """Docker's word for the container's state."""
        return str(self.container["State"]["Status"]) if self.container else "absent"

    @property
    def running(self) -> bool:
        """Whether the container has processes."""
        return self.status in {"running", "paused", "restarting"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do, why, and how it looks before and after."""

    actions: tuple[Action, ...] = ()
    reasons: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.actions)


def plan_present(specification: Specification, actual: Actual, *, state: str, recreate: bool) -> Plan:
    """The way to the states present, started and stopped."""
    request = specification.request
    _refuse_foreign(request, actual)
    _refuse_wrong_volumes(request, actual)
    actions, reasons = _clear(request, actual)
    if request.proxy and not actual.proxy_open:
        actions.append(Action(Act.OPEN_PROXY, request.conversation_id))
        reasons.append("the credential proxy does not serve this conversation yet")
    for volume in request.volumes:
        if volume.name not in actual.volumes:
            actions.append(Action(Act.CREATE_VOLUME, volume.name))
            reasons.append(f"volume {volume.name} does not exist")
    found = differences(FIELDS, specification, actual.container) if actual.container else ()
    running = _mend(request, actual, found, recreate=recreate, actions=actions, reasons=reasons)
    wanted = {"started": True, "stopped": False}.get(state, actual.running)
    target = request.container_name
    if wanted and not running:
        actions.append(Action(Act.START, target))
        reasons.append("the container is not running")
    elif wanted and running and actual.status == "paused":
        actions.append(Action(Act.UNPAUSE, target))
        reasons.append("the container is paused")
    elif not wanted and running:
        actions.append(Action(Act.STOP, target))
        reasons.append("the container is running")
    return Plan(
        actions=tuple(actions),
        reasons=tuple(reasons),
        differences=found,
        before=_before(actual, found),
        after=_after(specification, actual, found, running=wanted),
    )


def plan_absent(request: Request, actual: Actual, *, archive: bool = False) -> Plan:
    """The way to the state absent: nothing of the conversation is left, and nothing else is touched.

    With ``archive`` its files are saved when nobody can change them any more, and before anything goes.
    """
    _refuse_foreign(request, actual)
    actions = []
    if actual.running:
        actions.append(Action(Act.STOP, request.container_name))
    if archive and (actual.container or names.workspace_volume(request.conversation_id) in actual.volumes):
        actions.append(Action(Act.ARCHIVE, request.conversation_id))
    actions += _clear(request, actual)[0]
    if actual.container:
        actions.append(Action(Act.REMOVE_CONTAINER, request.container_name))
    actions += [Action(Act.REMOVE_VOLUME, name) for name in sorted(actual.volumes)]
    if actual.proxy_open:
        actions.append(Action(Act.CLOSE_PROXY, request.conversation_id))
    return Plan(
        actions=tuple(actions),
        reasons=("state is absent",) if actions else (),
        before={"state": _word(running=actual.running, exists=actual.container is not None), **_objects(actual)},
        after={"state": "absent", "volumes": [], "proxy": False},
    )


def _clear(request: Request, actual: Actual) -> tuple[list[Action], list[str]]:
    if actual.replaced is None:
        return [], []
    name = names.replaced(request.conversation_id)
    return [Action(Act.REMOVE_CONTAINER, name)], [f"container {name} was left behind by an interrupted run"]


def _mend(
    request: Request,
    actual: Actual,
    found: tuple[Difference, ...],
    *,
    recreate: bool,
    actions: list[Action],
    reasons: list[str],
) -> bool:
    """Adds what brings the container itself in order; returns whether it runs afterwards."""
    target = request.container_name
    if actual.container is None:
        actions.append(Action(Act.CREATE_CONTAINER, target))
        reasons.append(f"container {target} does not exist")
        return False
    reasons += [str(difference) for difference in found]
    if not found:
        return actual.running
    if all(difference.updatable for difference in found):
        actions.append(Action(Act.UPDATE_CONTAINER, target))
        return actual.running
    if not recreate:
        listed = "".join(f"\n  - {difference}" for difference in found)
        raise WorkspaceError(
            f"cannot mend container {target}: it differs from the specification where Docker cannot change a "
            f"container in place; set recreate: true to replace it (its volumes are kept){listed}"
        )
    if actual.running:
        actions.append(Action(Act.STOP, target))
    actions += [Action(Act.SET_ASIDE, target), Action(Act.CREATE_CONTAINER, target)]
    return False


def _refuse_foreign(request: Request, actual: Actual) -> None:
    containers = {request.container_name: actual.container, names.replaced(request.conversation_id): actual.replaced}
    foreign = [
        f"container {name}"
        for name, container in containers.items()
        if container and not names.is_ours((container.get("Config") or {}).get("Labels"), request.conversation_id)
    ]
    foreign += [
        f"volume {name}"
        for name, volume in sorted(actual.volumes.items())
        if not names.is_ours(volume.get("Labels"), request.conversation_id)
    ]
    if foreign:
        raise WorkspaceError(
            f"cannot manage conversation {request.conversation_id}: {' and '.join(foreign)} exists without the label "
            f"{names.CONVERSATION}={request.conversation_id}, so it is not ours; rename or remove it"
        )


def _refuse_wrong_volumes(request: Request, actual: Actual) -> None:
    wrong = []
    for volume in request.volumes:
        live = actual.volumes.get(volume.name)
        if live is None:
            continue
        options = dict(live.get("Options") or {})
        if live.get("Driver") != "local" or options != volume.driver_options:
            wrong.append(f"{volume.name}: is {live.get('Driver')} {options}, wanted local {volume.driver_options}")
    if wrong:
        raise WorkspaceError(
            f"cannot use the volumes of conversation {request.conversation_id}: {'; '.join(wrong)}; Docker cannot "
            "change a volume: remove the conversation with state: absent, which deletes its files, and create it again"
        )


def _word(*, running: bool, exists: bool) -> str:
    if not exists:
        return "absent"
    return "started" if running else "stopped"


def _objects(actual: Actual) -> dict[str, Any]:
    return {"volumes": sorted(actual.volumes), "proxy": actual.proxy_open}


def _before(actual: Actual, found: tuple[Difference, ...]) -> dict[str, Any]:
    state = _word(running=actual.running, exists=actual.container is not None)
    return {"state": state, **_objects(actual), **{difference.name: difference.live for difference in found}}


def _after(
    specification: Specification, actual: Actual, found: tuple[Difference, ...], *, running: bool
) -> dict[str, Any]:
    request = specification.request
    volumes = sorted({*actual.volumes, *(volume.name for volume in request.volumes)})
    changes: Mapping[str, Any] = {difference.name: difference.wanted for difference in found}
    if actual.container is None:
        changes = described(FIELDS, specification)
    return {
        "state": _word(running=running, exists=True),
        "volumes": volumes,
        "proxy": request.proxy or actual.proxy_open,
        **changes,
    }
