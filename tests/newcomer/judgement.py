# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection finds on a host that somebody has made without it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from faults.machine import ROOT, Machine
from fleet.hosts import Fleet, Run

WISHES = {
    "workspace_environment": "staging",
    "xfs_quota_size": "20G",
    "docker_userns_dedicated_host": True,
    "credential_proxy_credentials": [{"name": "anthropic", "value": "sk-ant-by-hand-0123456789abcdef"}],
}


def by_the_collection(folder: Path, host: Machine) -> str:
    """Every layer proven, every attack withstood; and what site would still do.

    :raises SystemExit: where something is not proven, with the play's words.
    """
    told = json.loads((ROOT / "build" / "vm" / "machines" / host.name / "inventory.yml").read_text())
    told["workspace_hosts"]["vars"] = WISHES
    inventory, file = folder / "judge.json", folder / "drift.json"
    inventory.write_text(json.dumps(told))
    judge = Fleet({host.name: host}, inventory)
    reports = folder / "reports"
    proof = judge.play("verify", workspace_report=str(reports))
    if proof.status != 0:
        raise SystemExit(f"not everything is proven on a host that was made by hand:\n{proof.output}")
    report = json.loads((reports / "report.json").read_text())
    watching = {"ANSIBLE_CALLBACKS_ENABLED": "bulkhead.workspace.drift", "BULKHEAD_DRIFT_FILE": str(file)}
    look = replace(judge, environment={**judge.environment, **watching}).play("drift", "--check", "--diff")
    ((_conversation, found),) = report["hosts"][host.name]["conversations"].items()
    layers = " ".join(layer for layer, entry in found["layers"].items() if entry["status"] == "enforced")
    attacks = report["summary"]["probes"]["proven"]
    return f"enforced: {layers}; {attacks} attacks withstood; site would still change: {_left(look, file, host.name)}"


def _left(look: Run, file: Path, name: str) -> str:
    if not file.exists():
        raise SystemExit(f"the collection cannot look at the host:\n{look.output}")
    lines = [": ".join(entry.values()) for entry in json.loads(file.read_text()).get(name, [])]
    return "; ".join(lines) or ("nothing" if look.status == 0 else f"unknown, for it refuses: {look.output}")
