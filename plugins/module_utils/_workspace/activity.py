# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Notes when each running container worked last: the kernel counts processor time, but not when it was used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import kernel
from .errors import WorkspaceError
from .expiry import Look

# Gone after a reboot, as the containers' processes are.
NOTES = Path("/run/bulkhead/activity.json")


def look(
    containers: Iterable[Mapping[str, Any]], now: float, last_requests: Mapping[str, float], notes: Path = NOTES
) -> dict[str, Look]:
    """The looks by container identifier. ``last_requests`` are those at the proxy, by container identifier."""
    before = _read(notes)
    found: dict[str, Look] = {}
    for container in containers:
        if container["State"]["Status"] != "running":
            continue
        key, cpu = str(container["Id"]), _processor_seconds(int(container["State"]["Pid"]))
        # Nothing is known of a container that is seen for the first time, so it counts as working.
        seen = before[key].next(now, cpu) if key in before else Look(at=now, cpu=cpu, last_work=now)
        asked = last_requests.get(key, 0.0)
        found[key] = Look(at=now, cpu=cpu, last_work=max(seen.last_work, asked))
    return found


def keep(looks: Mapping[str, Look], notes: Path = NOTES) -> None:
    """Keeps the looks for the next run."""
    fresh = notes.with_suffix(".new")
    try:
        notes.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh.write_text(json.dumps({key: asdict(value) for key, value in looks.items()}))
        fresh.replace(notes)
    except OSError as error:
        raise WorkspaceError(
            f"cannot note the activity of containers in {notes}: {error.strerror}; run as root"
        ) from error


def _read(notes: Path) -> dict[str, Look]:
    try:
        return {key: Look(**value) for key, value in json.loads(notes.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        # Without notes every container is new, and is not taken for idle.
        return {}


def _processor_seconds(pid: int) -> float:
    try:
        group = kernel.cgroup_directory(pid)
        return kernel.read_counters(group, ["cpu.stat"]).get("cpu.stat usage_usec", 0) / 1e6
    except OSError:
        return 0.0
