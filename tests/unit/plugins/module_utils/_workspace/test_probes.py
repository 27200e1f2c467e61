# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes: their scripts run for real where they do no harm, their figures follow the container's limits."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.probe import (
    Impossible,
    Probe,
    Surroundings,
    Trial,
    read_trial,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.probes.catalogue import PROBES

GIB = 1 << 30
SURROUNDINGS = Surroundings(
    pids=256, memory=2 * GIB, workspace=4 * GIB, host_memory=8 * GIB, host_disk=20 * GIB, metadata_answers=True
)


def run(probe_id: str, figures: dict[str, int]) -> Trial:
    """Runs a probe's script as it runs in a container."""
    command = PROBES[probe_id].command(figures)
    done = subprocess.run([sys.executable, *command[4:]], capture_output=True, text=True, check=False, timeout=60)
    return read_trial(done.returncode, done.stdout)


@pytest.mark.parametrize(
    ("probe_id", "figures", "evidence"),
    [
        ("fork_bomb", {"children": 5}, "5 of 5 children, no error"),
        ("memory_hog", {"bytes": 64 << 20}, "touched 67108864 of 67108864 bytes, exit status 0"),
    ],
)
def test_without_a_defence_the_act_succeeds(probe_id: str, figures: dict[str, int], evidence: str) -> None:
    assert run(probe_id, figures) == Trial(succeeded=True, evidence=evidence)


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_every_probe_is_complete(probe: Probe) -> None:
    compile(probe.script, probe.id, "exec")
    assert probe.layer in {"L1", "L2", "L3", "L4", "L5", "L6", "L7"}
    assert probe.references
    figures = probe.figures(SURROUNDINGS)
    assert not isinstance(figures, Impossible)
    assert json.loads(probe.command(figures)[-1]) == figures


def test_figures_go_beyond_the_limit_that_the_container_has() -> None:
    assert PROBES["fork_bomb"].figures(SURROUNDINGS) == {"children": 320}
    assert PROBES["disk_fill"].figures(SURROUNDINGS) == {"bytes": (4 << 30) + (32 << 20)}
    assert PROBES["memory_hog"].figures(SURROUNDINGS) == {"bytes": (2 << 30) + (128 << 20)}


def test_what_cannot_be_tried_says_why() -> None:
    unlimited = Surroundings(
        pids=None, memory=None, workspace=None, host_memory=GIB, host_disk=GIB, metadata_answers=False
    )
    for probe_id in ("fork_bomb", "disk_fill", "memory_hog"):
        assert isinstance(PROBES[probe_id].figures(unlimited), Impossible)
    figures = {"bytes": 4 * GIB}
    assert "memory to spare" in PROBES["memory_hog"].control_obstacle(unlimited, figures)
    assert "free" in PROBES["disk_fill"].control_obstacle(unlimited, figures)
    assert "nothing answers" in PROBES["metadata_contact"].control_obstacle(unlimited, {})
    assert PROBES["metadata_contact"].control_obstacle(SURROUNDINGS, {}) == ""


@pytest.mark.parametrize("output", ["", "Killed\n", "{}\n", "[1]\n", '{"succeeded": false}\n'])
def test_no_report_is_no_verdict(output: str) -> None:
    trial = read_trial(137, output)
    assert trial.succeeded is None
    assert "exit status 137" in trial.evidence
