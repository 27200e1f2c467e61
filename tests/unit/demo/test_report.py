# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's verdict: anything short of a proof is a problem."""

from __future__ import annotations

from typing import Any

from report import LAYERS, changed_tasks, of_the_design, problems, results, table

RECAP = """
PLAY RECAP *********************************************************************
controller                 : ok=12   changed=0    unreachable=0    failed=0    skipped=1
demo                       : ok=97   changed=30   unreachable=0    failed=0    skipped=29
"""


def layers(**statuses: str) -> dict[str, Any]:
    return {name: {"status": statuses.get(name, "enforced"), "evidence": f"proof of {name}"} for name in LAYERS}


def attack(*, blocked: bool = True, control: bool = True) -> dict[str, Any]:
    return {
        "blocked": blocked,
        "evidence": "seen inside",
        "control": {"succeeded": control, "evidence": "seen outside"},
    }


def test_the_recap_tells_the_changes_of_each_host() -> None:
    assert changed_tasks(RECAP) == {"controller": 0, "demo": 30}


def test_seven_layers_and_blocked_attacks_are_a_proof() -> None:
    assert problems(layers(), {"fork_bomb": attack()}) == []


def test_a_layer_that_is_not_in_force_is_named_with_its_evidence() -> None:
    assert problems(layers(L4="not_enforced"), {}) == ["layer L4 is not enforced: proof of L4"]


def test_a_layer_that_is_missing_is_named() -> None:
    some = layers()
    del some["L6"]
    assert problems(some, {}) == ["layer L6 is missing from the report"]


def test_an_attack_that_succeeded_is_named() -> None:
    assert problems(layers(), {"root_write": attack(blocked=False)}) == ["attack root_write succeeded: seen inside"]


def test_an_attack_without_a_successful_control_proves_nothing() -> None:
    (problem,) = problems(layers(), {"disk_fill": attack(control=False)})
    assert problem.startswith("attack disk_fill proves nothing")


def test_the_table_has_a_row_for_every_layer_and_attack() -> None:
    rows = "\n".join(table(layers(), {"memory_hog": attack()}))
    assert all(f"{name} {title}" in rows for name, title in LAYERS.items())
    assert "memory hog" in rows and "blocked" in rows and "without the defence: seen outside" in rows


def test_what_applies_is_taken_from_the_report() -> None:
    probes = {"fork_bomb": {"status": "proven"}, "call_x32": {"status": "not_applicable"}}
    conversation = {"layers": {**layers(), "runtime": {"status": "not_applicable"}}, "probes": probes}
    assert results(conversation) == (layers(), {"fork_bomb": {"status": "proven"}})


def test_the_attacks_of_the_design_are_known_by_their_reference() -> None:
    listed = {"references": ["security design, table of destructive commands: fork bomb"]}
    assert of_the_design({"fork_bomb": listed, "call_bpf": {"references": ["CVE-2021-3490"]}}) == {"fork_bomb": listed}
