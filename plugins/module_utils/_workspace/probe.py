# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a probe is: one forbidden act, tried inside a workspace, and tried again where nothing forbids it.

A probe is a small file in probes/ with one constant PROBE. Its script is Python for `python3 -c`; it gets its figures
as JSON in its first argument, and prints as its last line {"succeeded": bool, "evidence": str}: whether the ACT
succeeded, which inside a workspace is the failure of a defence. The very same script runs in the control, a plain
container without the defence, where it must succeed; otherwise a refusal inside proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MEBIBYTE = 1024 * 1024

# Only what lies on the image's read-only root: code in the workspace can change /opt/venv and its own environment, and
# must not be able to answer for a probe.
_PYTHON = (
    "/usr/bin/env",
    "-i",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "python3",
    "-I",
    "-S",
    "-c",
)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The figures that a probe is made to measure from: the container's limits, and what the host can bear."""

    pids: int | None
    memory: int | None
    workspace: int | None
    host_memory: int
    host_disk: int
    metadata_answers: bool


@dataclass(frozen=True, kw_only=True)
class Impossible:
    """Why an act cannot be tried here."""

    reason: str


Figures = Mapping[str, Any]


def no_figures(_surroundings: Surroundings) -> Figures | Impossible:
    """For acts that need no figures."""
    return {}


def always(_surroundings: Surroundings, _figures: Figures) -> str:
    """For controls that every host can run."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One attack and its control."""

    id: str
    layer: str
    title: str
    script: str
    references: tuple[str, ...]
    figures: Callable[[Surroundings], Figures | Impossible] = no_figures
    # Empty means the user of the container.
    user: str = ""
    timeout: int = 60
    # What the plain container needs so that the act can succeed there.
    control_host_config: Mapping[str, Any] = field(default_factory=dict)
    control_volume: bool = False
    # Empty, or why the control cannot run on this host.
    control_obstacle: Callable[[Surroundings, Figures], str] = always

    def command(self, figures: Figures) -> list[str]:
        """The program to run. It ends itself when its time is over, whatever becomes of us."""
        script = f"import signal\nsignal.alarm({self.timeout})\n{self.script}"
        return [*_PYTHON, script, json.dumps(figures)]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How one run of a script ended; succeeded is None when it did not say."""

    succeeded: bool | None
    evidence: str


def read_trial(status: int | None, output: str) -> Trial:
    """Reads a script's last line. No report is no proof of anything."""
    lines = output.strip().splitlines()
    try:
        report = json.loads(lines[-1])
        return Trial(succeeded=bool(report["succeeded"]), evidence=str(report["evidence"]))
    except (IndexError, ValueError, KeyError, TypeError):
        said = lines[-1][:200] if lines else "nothing"
        return Trial(succeeded=None, evidence=f"the probe did not report: exit status {status}, it said {said!r}")
