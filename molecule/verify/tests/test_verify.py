# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml wrote, and that the conversations came through it."""

from __future__ import annotations

import json
import os
import subprocess
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


def verify(tmp_path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Runs the playbook as somebody in a pipeline would; its exit status and its report."""
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "bulkhead.workspace.verify"]
    done = subprocess.run([*command, "-e", f"workspace_report={tmp_path}", *options], stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    return done.returncode, json.loads((tmp_path / "report.json").read_text())


def test_a_layer_by_its_tag_tries_its_probes_and_no_others(tmp_path: Path, attacked: dict[str, Any]) -> None:
    status, document = verify(tmp_path, "--tags", "L4")
    tried = document["hosts"]["bare"]["conversations"]["demo"]["probes"]
    assert status == 0
    assert set(tried) == {name for name, entry in attacked["probes"].items() if entry["layer"] == "L4"}
    assert {entry["status"] for entry in tried.values()} == {"proven"}


def test_a_layer_that_is_not_in_force_is_told_and_ends_with_2(tmp_path: Path, host: Host) -> None:
    # Behind Docker's back, since what it updates resets other limits.
    process = host.check_output("docker inspect --format '{{.State.Pid}}' ws-other")
    limit = f"/sys/fs/cgroup{host.check_output('cut -d : -f 3 /proc/%s/cgroup', process)}/pids.max"
    before = host.check_output("cat %s", limit)
    host.check_output("echo max > %s", limit)
    try:
        status, document = verify(tmp_path, "-e", "workspace_attacks=none")
    finally:
        host.check_output("echo %s > %s", before, limit)
    layers = document["hosts"]["bare"]["conversations"]["other"]["layers"]
    assert status == 2
    assert [name for name, layer in layers.items() if layer["status"] == "not_enforced"] == ["L3"]
    assert any("other" in problem and "L3" in problem for problem in document["summary"]["problems"])


def test_a_host_that_does_not_answer_is_part_of_the_report(tmp_path: Path) -> None:
    status, document = verify(tmp_path, "-i", "gone.invalid,", "-e", "target=all", "-e", "workspace_attacks=none")
    assert status == 2
    assert "the host did not answer" in document["hosts"]["gone.invalid"]["failed"]
    assert document["hosts"]["bare"]["failed"] == ""
    assert [problem for problem in document["summary"]["problems"] if "gone.invalid" not in problem] == []
