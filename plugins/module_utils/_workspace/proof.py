# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Asks the kernel for the truth about a running container, and refuses to vouch for one that it does not confirm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import expectation, kernel, layers, search
from .driver import Driver
from .errors import LayerNotInForceError, WorkspaceError
from .facts import SecretSearch
from .specification import Request

Report = dict[str, dict[str, str]]


def inspect_layers(driver: Driver, container: Mapping[str, Any], secret_files: Sequence[str] = ()) -> Report:
    """The layer report of a container, read from the kernel."""
    state = container["State"]
    if not state.get("Running"):
        return layers.not_running()
    volumes = _volumes(driver, container)
    sizes = {target: _size(volume) for target, volume in volumes.items()}
    expected = expectation.expectation(container["HostConfig"], sizes)
    secrets: SecretSearch | None = None
    pid = int(state["Pid"])
    if secret_files:
        writable = sorted({*expected.volumes, *expected.tmpfs, "/dev/shm"})
        secrets = search.search(pid, search.read_needles(secret_files), writable)
    facts = kernel.read_facts(pid, {target: volume["Mountpoint"] for target, volume in volumes.items()}, secrets)
    return layers.evaluate(expected, facts)


def require(report: Report, required: Sequence[str], name: str) -> None:
    """Raises unless the kernel confirms every required layer."""
    missing = [layer for layer in required if report[layer]["status"] != layers.ENFORCED]
    if missing:
        evidence = "".join(f"\n  - {layer}: {report[layer]['evidence']}" for layer in missing)
        raise LayerNotInForceError(
            f"cannot vouch for container {name}: the kernel does not confirm {', '.join(missing)}; "
            f"repair the host (or take the layer out of required_layers) and run the task again{evidence}",
            report,
        )


def require_writable(driver: Driver, container: Mapping[str, Any], request: Request) -> None:
    """Raises unless the volumes belong to the container's user, who could not write into them otherwise."""
    volumes = _volumes(driver, container)
    pid = int(container["State"]["Pid"])
    facts = kernel.read_facts(pid, {target: volume["Mountpoint"] for target, volume in volumes.items()})
    wrong = [target for target in sorted(volumes) if not layers.writable_by(facts, target, request.user)]
    if wrong:
        raise WorkspaceError(
            f"cannot use container {request.container_name}: {', '.join(wrong)} does not belong to user "
            f"{request.user}, so it could not write there; build {request.image} with that directory owned by "
            f"{request.user}"
        )


def _volumes(driver: Driver, container: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for mount in container.get("Mounts") or []:
        if mount["Type"] == "volume":
            volume = driver.volume(mount["Name"])
            if volume is not None:
                found[mount["Destination"]] = volume
    return found


def _size(volume: Mapping[str, Any]) -> int | None:
    size = (volume.get("Options") or {}).get("size", "")
    return int(size) if size.isdigit() else None
