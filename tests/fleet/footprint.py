# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of Ansible takes of its controller: its own processes, without what it starts on local hosts."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_EVERY_SECONDS = 0.5


@dataclass(frozen=True)
class Footprint:
    """Seconds, and peaks in MiB.

    ``together``: proportional set size of the main process and its forks, which counts a page that they share once.
    ``summed``: their resident set sizes added up, which counts it for each. ``main``: the resident set of the main
    process. ``seconds_of_cpu`` has the work on the hosts in it, where these are local.
    """

    status: int
    seconds: float
    seconds_of_cpu: float
    together: float
    summed: float
    main: float


def measured(command: Sequence[str], environment: Mapping[str, str], output: Path) -> Footprint:
    """Run a command to its end, with what it prints in a file."""
    before, began = os.times(), time.monotonic()
    together = summed = main = 0.0
    with output.open("wb") as told:
        run = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT, env=dict(environment)
        )
        while run.poll() is None:
            sizes = _sizes(run.pid)
            together = max(together, sum(pss for pss, _rss in sizes))
            summed = max(summed, sum(rss for _pss, rss in sizes))
            main = max(main, sizes[0][1] if sizes else 0.0)
            time.sleep(_EVERY_SECONDS)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Footprint(run.returncode, time.monotonic() - began, spent, together, summed, main)


def _sizes(root: int) -> list[tuple[float, float]]:
    """Proportional and resident set size of a process and its forks, in MiB. What has run another program is none."""
    found: list[tuple[float, float]] = []
    words = _read(root, "cmdline")
    waiting = [root]
    while waiting:
        pid = waiting.pop(0)
        if _read(pid, "cmdline") != words:
            continue
        rollup = dict(line.split()[:2] for line in _read(pid, "smaps_rollup").splitlines()[1:])
        if rollup:
            found.append((int(rollup["Pss:"]) / 1024, int(rollup["Rss:"]) / 1024))
        for task in (_PROC / str(pid) / "task").glob("*"):
            waiting += map(int, _read(pid, f"task/{task.name}/children").split())
    return found


def _read(pid: int, name: str) -> str:
    """A file of a process; empty when it has ended meanwhile."""
    try:
        return (_PROC / str(pid) / name).read_text()
    except OSError:
        return ""
