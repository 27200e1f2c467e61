# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Judges what was tried. Pure: outcomes inside and in the control go in, a verdict comes out; nothing is assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .probe import Probe
from .toolkit import REFUSED, SUCCEEDED, UNSUPPORTED

# The act failed inside, and succeeded where the defences are missing.
PROVEN = "proven"
# The act succeeded inside.
OPEN = "open"
# The act failed inside, and in the control too, or there was none: nothing is proven.
UNPROVEN = "unproven"
# It cannot be tried here, and the reason was seen: the container has no such limit, or the kernel no such call.
NOT_APPLICABLE = "not_applicable"
# The act did not report.
ERROR = "error"
FAILED = "failed"
# The act reached a kernel, but not the host's.
OWN_KERNEL = "own kernel"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How one run of an act ended."""

    outcome: str
    evidence: str
    seconds: float = 0.0


NO_CONTROL = Trial(outcome="not run", evidence="not run: the task said control: false")


def status(inside: Trial, control: Trial) -> str:
    """The verdict on one probe."""
    if inside.outcome == SUCCEEDED:
        return OPEN
    if inside.outcome == OWN_KERNEL:
        return NOT_APPLICABLE
    if inside.outcome not in (REFUSED, UNSUPPORTED):
        return ERROR
    # Only the control can say that the kernel lacks something: inside, a filter can answer the same.
    if control.outcome == UNSUPPORTED:
        return NOT_APPLICABLE
    return PROVEN if control.outcome == SUCCEEDED else UNPROVEN


def runtime(name: str, inside: str, host: str) -> dict[str, str]:
    """The optional eighth layer: a kernel of its own for the container. What uname says inside is the evidence."""
    if not inside:
        return {"status": NOT_APPLICABLE, "evidence": f"{name}: nothing ran inside that could tell its kernel"}
    if inside == host:
        return {"status": NOT_APPLICABLE, "evidence": f"{name}: the host's kernel answers, {inside}"}
    return {"status": "enforced", "evidence": f"{name}: a kernel of its own answers, {inside}; the host's is {host}"}


def of_runtime(probe: Probe, trial: Trial, inside: str, host: str) -> Trial:
    """What an act on the kernel is worth under a runtime with a kernel of its own, which no filter of ours guards."""
    if not (probe.layer == "L2" or probe.inward) or trial.outcome != SUCCEEDED or not inside or inside == host:
        return trial
    return Trial(outcome=OWN_KERNEL, evidence=f"answered by the runtime's own kernel: {trial.evidence}")


def verdict(probe: Probe, inside: Trial, control: Trial, control_kind: str) -> dict[str, Any]:
    """One entry of the module's result."""
    found = status(inside, control)
    return {
        **_described(probe),
        "status": found,
        "blocked": inside.outcome in (REFUSED, UNSUPPORTED),
        "evidence": inside.evidence,
        "seconds": inside.seconds,
        "control": {
            "container": control_kind,
            "status": "run" if control is not NO_CONTROL else "not run",
            "succeeded": control.outcome == SUCCEEDED,
            "evidence": control.evidence,
        },
        "proven": found == PROVEN,
    }


def impossible(probe: Probe, reason: str) -> dict[str, Any]:
    """The entry of an act that cannot be tried here."""
    return {
        **_described(probe),
        "status": NOT_APPLICABLE,
        "blocked": False,
        "evidence": f"not tried: {reason}",
        "seconds": 0.0,
        "control": {"container": "", "status": "not run", "succeeded": False, "evidence": f"not run: {reason}"},
        "proven": False,
    }


def _described(probe: Probe) -> dict[str, Any]:
    return {
        "layer": probe.layer,
        "title": probe.title,
        "defences": list(probe.defences),
        "references": list(probe.references),
    }


def counts(attacks: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many probes ended how."""
    found = dict.fromkeys((PROVEN, OPEN, UNPROVEN, NOT_APPLICABLE, ERROR), 0)
    for entry in attacks.values():
        found[entry["status"]] += 1
    return found


def by_layer(attacks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """The same, layer by layer."""
    layers: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, entry in attacks.items():
        layers.setdefault(entry["layer"], {})[name] = entry
    return {layer: counts(entries) for layer, entries in sorted(layers.items())}


def expected_open(attacks: Mapping[str, Mapping[str, Any]], off: frozenset[str]) -> set[str]:
    """Which of the tried acts succeed where a set of defences is off: those whose every defence is in it."""
    tried = {name: entry for name, entry in attacks.items() if entry["status"] != NOT_APPLICABLE}
    return {name for name, entry in tried.items() if set(entry["defences"]) <= off}
