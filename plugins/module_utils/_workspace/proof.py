# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Asks the kernel for the truth about a running container, and refuses to vouch for one that it does not confirm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import expectation, kernel, layers, search
from .errors import LayerNotInForceError, WorkspaceError
from .facts import Facts, SecretSearch
from .specification import Request

Report = dict[str, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Proved:
    """The kernel's facts and the verdicts that they lead to."""

    facts: Facts
    report: Report


def examine(
    container: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]], secret_files: Sequence[str] = ()
) -> Proved:
    """Looks at a running container. ``volumes`` are Docker's descriptions by name; others than its own do no harm."""
    mounted = mounted_volumes(container, volumes)
    expected = expectation.expectation(
        container["HostConfig"], {target: volume_size(volume) for target, volume in mounted.items()}
    )
    pid = int(container["State"]["Pid"])
    secrets: SecretSearch | None = None
    if secret_files:
        writable = sorted({*expected.volumes, *expected.tmpfs, "/dev/shm"})
        secrets = search.search(pid, search.read_needles(secret_files), writable)
    facts = kernel.read_facts(pid, {target: volume["Mountpoint"] for target, volume in mounted.items()}, secrets)
    return Proved(facts=facts, report=layers.evaluate(expected, facts))


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


def require_writable(facts: Facts, request: Request) -> None:
    """Raises unless the volumes belong to the container's user, who could not write into them otherwise."""
    wrong = [target for target in sorted(facts.owners) if not layers.writable_by(facts, target, request.user)]
    if wrong:
        raise WorkspaceError(
            f"cannot use container {request.container_name}: {', '.join(wrong)} does not belong to user "
            f"{request.user}, so it could not write there; build {request.image} with that directory owned by "
            f"{request.user}"
        )


def mounted_volumes(
    container: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The container's volumes by the path where they are mounted."""
    return {
        mount["Destination"]: volumes[mount["Name"]]
        for mount in container.get("Mounts") or []
        if mount["Type"] == "volume" and mount["Name"] in volumes
    }


def volume_size(volume: Mapping[str, Any]) -> int | None:
    """The size that a volume was made with, in bytes."""
    size = (volume.get("Options") or {}).get("size", "")
    return int(size) if size.isdigit() else None
