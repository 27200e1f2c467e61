# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's report: pure functions from the collection's ``report.json`` to a table and to a verdict."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

LAYERS = {
    "L1": "container isolation",
    "L2": "seccomp and AppArmor",
    "L3": "resource limits",
    "L4": "no network",
    "L5": "file systems",
    "L6": "credential outside",
    "L7": "user namespace",
}
_RECAP = re.compile(r"^(?P<host>\S+)\s+: ok=\d+\s+changed=(?P<changed>\d+)", re.MULTILINE)
_WIDTH = 120

Results = dict[str, dict[str, Any]]


def changed_tasks(output: str) -> dict[str, int]:
    """How many tasks changed something, by host, from the recap that ansible-playbook prints."""
    return {found["host"]: int(found["changed"]) for found in _RECAP.finditer(output)}


def results(conversation: dict[str, Any]) -> tuple[Results, Results]:
    """The layers, and the attacks that apply, of one conversation in the report."""
    layers = {name: layer for name, layer in conversation["layers"].items() if name in LAYERS}
    attacks = {name: probe for name, probe in conversation["probes"].items() if probe["status"] != "not_applicable"}
    return layers, attacks


def of_the_design(attacks: Results) -> Results:
    """The attacks that the security design lists; there are many more."""
    listed = "security design, table of destructive commands"
    return {name: entry for name, entry in attacks.items() if any(listed in text for text in entry["references"])}


def problems(layers: Results, attacks: Results) -> list[str]:
    """Everything that keeps the demo from being a proof; empty when all is well."""
    found = [f"layer {name} is missing from the report" for name in LAYERS if name not in layers]
    found += [
        f"layer {name} is {layer['status'].replace('_', ' ')}: {layer['evidence']}"
        for name, layer in layers.items()
        if layer["status"] != "enforced"
    ]
    for name, attack in attacks.items():
        if not attack["blocked"]:
            found.append(f"attack {name} succeeded: {attack['evidence']}")
        elif not attack["control"]["succeeded"]:
            found.append(f"attack {name} proves nothing, its control did not succeed: {attack['control']['evidence']}")
    return found


def table(layers: Results, attacks: Results) -> Iterator[str]:
    """The layers and the attacks, a row each, evidence folded below."""
    for name, layer in sorted(layers.items()):
        yield from _row(f"{name} {LAYERS[name]}", layer["status"].replace("_", " "), layer["evidence"])
    yield ""
    for name, attack in attacks.items():
        verdict = "blocked" if attack["blocked"] else "SUCCEEDED"
        evidence = f"{attack['evidence']} (without the defence: {attack['control']['evidence']})"
        yield from _row(name.replace("_", " "), verdict, evidence)


def _row(title: str, verdict: str, evidence: str) -> Iterator[str]:
    margin = 38
    folded = textwrap.wrap(evidence, _WIDTH - margin) or [""]
    yield f"{title:<24} {verdict:<12} {folded[0]}"
    for line in folded[1:]:
        yield " " * margin + line
