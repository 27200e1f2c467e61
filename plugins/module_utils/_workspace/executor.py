# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Carries out a plan against Docker and the proxy, and takes back what is new when it fails half-way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import hosts_file, names, quota_mend
from .driver import Driver
from .errors import WorkspaceError
from .field import create_payload, update_payload
from .options import FIELDS
from .plan import Act, Action, Plan
from .proxy_control import ProxyControl
from .specification import Request, Specification
from .starting import wait_until_it_works

if TYPE_CHECKING:
    from .._archive.save import Saved


def specification_hash(specification: Specification) -> str:
    """A name for everything that was asked for, kept as a label."""
    payload = create_payload(FIELDS, specification)
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


class Executor:
    """One run. After apply() either commit() or undo() is called.

    ``volumes`` are the descriptions of those that were made; ``started`` is the container as it was when it worked;
    ``saved`` is what became of the files.
    """

    def __init__(
        self,
        driver: Driver,
        proxy: ProxyControl | None,
        request: Request,
        *,
        start_timeout: float = 0,
        archive: Mapping[str, Any] | None = None,
    ) -> None:
        self._driver = driver
        self._proxy = proxy
        self._request = request
        self._start_timeout = start_timeout
        self._archive = archive
        self._undo: list[Callable[[], None]] = []
        self._set_aside: str | None = None
        self.volumes: dict[str, Mapping[str, Any]] = {}
        self.started: Mapping[str, Any] | None = None
        self.saved: Saved | None = None

    def apply(self, plan: Plan, specification: Specification | None = None) -> None:
        """Does every action in order."""
        for action in plan.actions:
            # An image is pulled before there can be a plan.
            if action.act is not Act.PULL_IMAGE:
                self._do(action, specification)

    def commit(self) -> None:
        """Keeps what was done; a container that was replaced goes now."""
        self._undo.clear()
        if self._set_aside is not None:
            self._driver.remove(self._set_aside)
            self._set_aside = None

    def undo(self) -> list[str]:
        """Removes what this run made, the last thing first; returns what could not be removed."""
        failures = []
        while self._undo:
            try:
                self._undo.pop()()
            except WorkspaceError as error:
                failures.append(str(error))
        return failures

    def _do(self, action: Action, specification: Specification | None) -> None:
        driver, name = self._driver, action.target
        simple: dict[Act, Callable[[], None]] = {
            Act.OPEN_PROXY: lambda: self._open_proxy(name),
            Act.CLOSE_PROXY: lambda: self._close_proxy(name),
            Act.CREATE_VOLUME: lambda: self._create_volume(name),
            Act.REMOVE_VOLUME: lambda: driver.remove_volume(name),
            Act.REMOVE_CONTAINER: lambda: driver.remove(name),
            Act.SET_ASIDE: lambda: self._replace(name),
            Act.STOP: lambda: self._stop(name),
            Act.ARCHIVE: lambda: self._archive_first(name),
            Act.UNPAUSE: lambda: driver.unpause(name),
            Act.START: lambda: self._start(name),
        }
        if action.act in simple:
            simple[action.act]()
        elif specification is not None:
            self._build(action, specification)

    def _open_proxy(self, name: str) -> None:
        if self._proxy is not None:
            self._proxy.open(name)
            self._undo.append(lambda: self._close_proxy(name))

    def _close_proxy(self, name: str) -> None:
        if self._proxy is not None:
            self._proxy.close(name)

    def _create_volume(self, name: str) -> None:
        volume = next(entry for entry in self._request.volumes if entry.name == name)
        made = self._driver.create_volume(name, volume.driver_options, names.labels(self._request.conversation_id))
        self._undo.append(lambda: self._driver.remove_volume(name))
        self.volumes[name] = made

    def _limit_volumes(self) -> None:
        """Before anything is in them: an interrupted run may have left one without its limit, too."""
        for volume in self._request.volumes:
            made = self.volumes.get(volume.name) or self._driver.volume(volume.name)
            if made is not None and volume.size is not None:
                quota_mend.ensure(Path(made["Mountpoint"]), volume.size)

    def _build(self, action: Action, specification: Specification) -> None:
        name = action.target
        if action.act is Act.UPDATE_CONTAINER:
            self._driver.update(name, update_payload(FIELDS, specification))
            return
        self._limit_volumes()
        hosts_file.ensure()
        payload: dict[str, Any] = create_payload(FIELDS, specification)
        payload["Labels"] = {**payload["Labels"], names.SPECIFICATION: specification_hash(specification)}
        self._driver.create(name, payload)
        self._undo.append(lambda: self._driver.remove(name))
        # Docker has mounted the volumes now, and given them projects of its own, which limit bytes only.
        self._limit_volumes()

    def _replace(self, name: str) -> None:
        aside = names.replaced(self._request.conversation_id)
        self._driver.rename(name, aside)
        self._set_aside = aside
        self._undo.append(lambda: self._driver.rename(aside, name))

    def _stop(self, name: str) -> None:
        self._driver.stop(name, self._request.stop_timeout)
        self._undo.append(lambda: self._driver.start(name))

    def _archive_first(self, name: str) -> None:
        # Loaded only where it is used: it needs an S3 client.
        from .archiving import save_first

        self.saved = save_first(self._driver, name, self._archive or {}, dry_run=False)

    def _start(self, name: str) -> None:
        # Docker refuses a container whose mounts are not there, so it must be in time for older containers, too.
        hosts_file.ensure()
        self._undo.append(lambda: self._driver.stop(name, self._request.stop_timeout))
        self._driver.start(name)
        self.started = wait_until_it_works(self._driver, name, self._start_timeout)
