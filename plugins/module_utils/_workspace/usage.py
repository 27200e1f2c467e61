# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a conversation uses and what it may use, from the kernel's own counters. Sizes are bytes, times are seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import kernel
from .expectation import Expectation
from .facts import Facts

_EVENT_FILES = ("memory.events", "pids.events", "cpu.stat")


def read_counters(pid: int) -> dict[str, int]:
    """The event counters of a running container; none on a host with cgroup version 1."""
    group = kernel.cgroup_directory(pid)
    try:
        present = [] if group is None else [name for name in _EVENT_FILES if (group / name).exists()]
        return kernel.read_counters(group, present)
    except OSError:
        # The container has ended since it was listed.
        return {}


def usage(pid: int, counters: Mapping[str, int], facts: Facts, expected: Expectation) -> dict[str, Any]:
    """What the container uses now, each beside its limit; a limit of None is none."""
    group = kernel.cgroup_directory(pid)
    return {
        "cpu": {
            "seconds": round(counters.get("cpu.stat usage_usec", 0) / 1e6, 3),
            "throttled_seconds": round(counters.get("cpu.stat throttled_usec", 0) / 1e6, 3),
            "limit": None if expected.cpu is None else expected.cpu[0] / expected.cpu[1],
        },
        "memory": {
            "used": _number(group, "memory.current"),
            "peak": _number(group, "memory.peak"),
            "limit": expected.memory,
        },
        "pids": {"used": _number(group, "pids.current"), "peak": _number(group, "pids.peak"), "limit": expected.pids},
        "disk": {
            **{target: {"used": quota.used, "limit": quota.limit} for target, quota in sorted(facts.quotas.items())},
            **{path: _file_system(pid, path) for path in sorted({*expected.tmpfs, "/dev/shm"})},
        },
    }


def _number(group: Path | None, name: str) -> int | None:
    try:
        return None if group is None else int((group / name).read_text())
    except (OSError, ValueError):
        # memory.peak and pids.peak are younger than the oldest kernel that this runs on.
        return None


def _file_system(pid: int, path: str) -> dict[str, int | None]:
    try:
        found = os.statvfs(kernel.PROC / str(pid) / "root" / path.lstrip("/"))
    except OSError:
        return {"used": None, "limit": None}
    return {"used": (found.f_blocks - found.f_bfree) * found.f_frsize, "limit": found.f_blocks * found.f_frsize}
