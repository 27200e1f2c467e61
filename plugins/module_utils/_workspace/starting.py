# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Waits until a container that was started does its work.

Docker says "started" when the first process exists. A program that cannot do its work ends a moment later, so it counts
as working when it waits for something (every process of the container sleeps), or has been busy for a while.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import kernel
from .driver import Driver
from .errors import WorkspaceError

# A program that is still busy after this time has survived its start.
_BUSY_SECONDS = 0.5
_LOOK_SECONDS = 0.005
_HEALTH_SECONDS = 0.1


def wait_until_it_works(driver: Driver, name: str, timeout: float) -> Mapping[str, Any]:
    """Docker's description of the container, once it works and is healthy; raises WorkspaceError otherwise."""
    deadline = time.monotonic() + timeout
    settled = False
    while True:
        container = driver.container(name)
        state: dict[str, Any] = container["State"] if container else {"Status": "removed"}
        if container is None or state["Status"] not in {"created", "running"}:
            raise _ended(driver, name, state)
        if state["Status"] == "running" and not settled:
            settled = _settle(int(state["Pid"]), 2 if container["HostConfig"].get("Init") else 1)
        health = (state.get("Health") or {}).get("Status", "healthy")
        if settled and health == "healthy":
            return container
        if time.monotonic() > deadline:
            raise WorkspaceError(
                f"cannot start container {name}: after {timeout:g} s it is {state['Status']} and {health}; "
                f"raise start_timeout, or see 'docker logs {name}'"
            )
        # One that did not settle is ending, and Docker will say so in a moment.
        time.sleep(_HEALTH_SECONDS if settled else _LOOK_SECONDS)


def _settle(pid: int, fewest: int) -> bool:
    """Whether the container lives when its processes are at rest, or have been busy long enough."""
    deadline = time.monotonic() + _BUSY_SECONDS
    rests = 0
    # Twice in a row: a program also waits for a moment while it loads its files.
    while rests < 2 and time.monotonic() < deadline:
        rests = rests + 1 if kernel.at_rest(pid, fewest) else 0
        time.sleep(_LOOK_SECONDS)
    return kernel.is_alive(pid)


def _ended(driver: Driver, name: str, state: Mapping[str, Any]) -> WorkspaceError:
    words = driver.log(name) if state["Status"] != "removed" else ""
    return WorkspaceError(
        f"cannot start container {name}: its main process ended with status {state.get('ExitCode', 'unknown')}; "
        f"its last words: {words or '(none)'}"
    )
