# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch's report is taken for, and what is removed of runs that were killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes import bench, standins
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.verdict import FAILED
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import names


def line(outcome: str, evidence: str = "seen") -> str:
    return json.dumps({"id": "root_write", "outcome": outcome, "evidence": evidence, "seconds": 0.1})


def test_whoever_answers_a_second_time_spoils_the_act() -> None:
    group = {"root_write": (PROBES["root_write"], {})}
    assert bench.read_trials(group, 0, line("succeeded"), {})["root_write"].outcome == "succeeded"
    for second in ("refused", "succeeded"):
        found = bench.read_trials(group, 0, f"{line('succeeded')}\n{line(second)}", {})["root_write"]
        assert found.outcome == FAILED
        assert "more than one report" in found.evidence


def test_evidence_can_be_written_and_is_short() -> None:
    group = {"root_write": (PROBES["root_write"], {})}
    evidence = bench.read_trials(group, 0, line("refused", "\udcff" + "x" * 9999), {})["root_write"].evidence
    assert evidence.encode("utf-8").startswith(b"?x")
    assert len(evidence) < 5000


class Docker:
    """Remembers what was removed."""

    def __init__(self, containers: dict[str, str], volumes: dict[str, str]) -> None:
        self.labels, self.kept = containers, volumes
        self.removed: list[str] = []

    def container_ids(self, *, label: str) -> dict[str, str]:
        assert label == names.PROBE
        return {name: name for name in self.labels}

    def container(self, name: str) -> dict[str, Any]:
        ours = {names.MANAGED: "true"} if name == "ws-probe-talk" else {}
        return {"Config": {"Labels": {names.PROBE: self.labels[name], **ours}}}

    def volumes(self, *, label: str) -> dict[str, Any]:
        assert label == names.PROBE
        return {name: {"Labels": {names.PROBE: token}} for name, token in self.kept.items()}

    def remove(self, name: str) -> None:
        self.removed.append(name)

    remove_volume = remove


def test_only_what_probes_have_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the label of an image says."""
    monkeypatch.setattr(standins, "HOME", tmp_path / "home")
    victim = tmp_path / "victim"
    victim.mkdir()
    mark = "0123abcd"
    left = f"ws-probe-{mark}-00ff"
    containers = {"ws-talk": str(victim), "ws-probe-talk": mark, left: mark, "ws-probe-x": "../victim"}
    docker = Docker(containers, {left: mark, "data": mark})
    bench.clear_up(docker)  # type: ignore[arg-type]
    assert docker.removed == [left, "ws-probe-x", left]
    assert victim.exists()
