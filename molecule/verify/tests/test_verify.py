# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml wrote, and that the conversations came through it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
# What this machine's kernel or image lacks, by what shows it: the control in which nothing defends.
SHOWN_BY_CONTROL = ("ENOSYS", "EAFNOSUPPORT", "No such file")


@pytest.fixture(scope="module")
def attacked() -> dict[str, Any]:
    """The conversation that was attacked."""
    document = json.loads((FOLDER / "report.json").read_text())
    conversations = document["hosts"]["bare"]["conversations"]
    assert set(conversations) == {"demo", "other", "pythonless"}
    assert [name for name, entry in conversations.items() if entry["probes"]] == ["demo"]
    found: dict[str, Any] = conversations["demo"]
    return found


def test_everything_that_applies_is_proven(attacked: dict[str, Any]) -> None:
    probes = attacked["probes"]
    bad = {name: entry for name, entry in probes.items() if entry["status"] not in ("proven", "not_applicable")}
    assert bad == {}
    assert sum(entry["status"] == "proven" for entry in probes.values()) >= 120


def test_what_does_not_apply_was_shown_and_not_assumed(attacked: dict[str, Any]) -> None:
    for name, entry in attacked["probes"].items():
        if entry["status"] == "not_applicable":
            seen = entry["control"]["evidence"]
            assert seen.startswith("not run: ") or any(mark in seen for mark in SHOWN_BY_CONTROL), (name, seen)


def test_every_layer_is_enforced_and_the_kernel_is_the_host_s(attacked: dict[str, Any], host: Host) -> None:
    layers = attacked["layers"]
    assert {layer["status"] for name, layer in layers.items() if name != "runtime"} == {"enforced"}
    assert layers["runtime"]["status"] == "not_applicable"
    assert host.check_output("uname --kernel-release") in layers["runtime"]["evidence"]


def test_the_neighbours_are_unharmed(attacked: dict[str, Any], host: Host) -> None:
    assert attacked["neighbours"] == {"watched": 2, "harmed": []}
    for conversation in ("demo", "other", "pythonless"):
        assert host.check_output("docker inspect --format '{{.State.Running}}' ws-%s", conversation) == "true"


@pytest.mark.parametrize("name", ["report.html", "junit.xml", "report.sarif"])
def test_the_other_forms_are_there(name: str) -> None:
    assert (FOLDER / name).stat().st_size > 10_000
