# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The report of a fleet as one document, from what the hosts told. Pure; docs/report.md describes the shape.

The status of a layer is what the kernel says of it, and no more: an attack that succeeded takes "enforced" away, and
nothing gives it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SCHEMA = "bulkhead.workspace.report"
VERSION = "1.0"
LAYERS = {
    "L1": "container isolation",
    "L2": "seccomp and AppArmor",
    "L3": "resource limits",
    "L4": "no network",
    "L5": "file systems",
    "L6": "credential outside",
    "L7": "user namespace",
}
RUNTIME = "runtime"
ENFORCED, NOT_ENFORCED, NOT_APPLICABLE = "enforced", "not_enforced", "not_applicable"
# Statuses of probes that keep a report from being a proof.
BAD = ("open", "unproven", "error")
# How layers.py begins the evidence of what a runtime with a kernel of its own leaves out.
_LEFT_OUT = "not enforced by this runtime"

Document = dict[str, Any]


def build(hosts: Mapping[str, Mapping[str, Any]], generated: str, collection: str) -> Document:
    """The whole document. `hosts` holds, by name, `conversations` and, by conversation, `attacks`; or `failed`."""
    entries = {name: _host(told) for name, told in sorted(hosts.items())}
    document: Document = {
        "schema": SCHEMA,
        "version": VERSION,
        "generated": generated,
        "collection": collection,
        "hosts": entries,
    }
    found = problems(document)
    probes = [probe for _host_name, _id, probe in each_probe(document)]
    conversations = [entry for host in entries.values() for entry in host["conversations"].values()]
    document["summary"] = {
        "hosts": len(entries),
        "conversations": len(conversations),
        "probes": {
            status: sum(probe["status"] == status for probe in probes) for status in ("proven", *BAD, NOT_APPLICABLE)
        },
        "proven": bool(probes) and not found,
        "problems": found,
    }
    return document


def _host(told: Mapping[str, Any]) -> dict[str, Any]:
    if told.get("failed"):
        return {"failed": str(told["failed"]), "conversations": {}}
    attacks = told.get("attacks") or {}
    return {
        "failed": "",
        "conversations": {
            entry["conversation_id"]: _conversation(entry, attacks.get(entry["conversation_id"]) or {})
            for entry in told["conversations"]
        },
    }


def _conversation(told: Mapping[str, Any], attacked: Mapping[str, Any]) -> dict[str, Any]:
    probes: Mapping[str, Any] = attacked.get("attacks") or {}
    layers = {
        name: _layer(name, found, probes)
        for name, found in (told.get("layers") or {}).items()
        if not probes or name in LAYERS
    }
    layers[RUNTIME] = dict(attacked.get("runtime") or _unknown_runtime())
    layers[RUNTIME].update(title="runtime", probes=_counts([]))
    return {
        "state": told["container"]["state"],
        "container": told["container"]["name"],
        "image": told["container"]["image"],
        "layers": layers,
        "probes": dict(probes),
        "neighbours": dict(attacked.get("neighbours") or {"watched": 0, "harmed": []}),
        "seconds": attacked.get("seconds", 0),
    }


def _unknown_runtime() -> dict[str, str]:
    return {"status": NOT_APPLICABLE, "evidence": "not looked at: nothing was tried in this container"}


def _layer(name: str, found: Mapping[str, str], probes: Mapping[str, Any]) -> dict[str, Any]:
    own = [(probe_id, probe) for probe_id, probe in probes.items() if probe["layer"] == name]
    status, evidence = found["status"], found["evidence"]
    if evidence.startswith(_LEFT_OUT):
        status = NOT_APPLICABLE
    succeeded = [f"{probe_id} ({probe['evidence']})" for probe_id, probe in own if probe["status"] == "open"]
    if succeeded:
        status, evidence = NOT_ENFORCED, f"attacks succeeded: {'; '.join(succeeded)}; {evidence}"
    return {
        "title": LAYERS.get(name, name),
        "status": status,
        "evidence": evidence,
        "probes": _counts([probe for _probe_id, probe in own]),
    }


def _counts(probes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found = dict.fromkeys(("proven", *BAD, NOT_APPLICABLE), 0)
    for probe in probes:
        found[probe["status"]] += 1
    return found


def each_conversation(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Host, conversation and its entry."""
    for host, entry in document["hosts"].items():
        for conversation, found in entry["conversations"].items():
            yield host, conversation, found


def each_probe(document: Document) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Host/conversation, the probe's name, and its verdict."""
    for host, conversation, found in each_conversation(document):
        for probe_id, probe in found["probes"].items():
            yield f"{host}/{conversation}", probe_id, probe


def problems(document: Document) -> list[str]:
    """Everything that keeps the report from being a proof; one line each."""
    found = [f"{host}: {entry['failed']}" for host, entry in document["hosts"].items() if entry["failed"]]
    for host, conversation, entry in each_conversation(document):
        where = f"{host}, conversation {conversation}"
        if entry["state"] != "running":
            continue
        found += [
            f"{where}: {name} {layer['title']} is not enforced: {layer['evidence']}"
            for name, layer in entry["layers"].items()
            if layer["status"] == NOT_ENFORCED
        ]
        found += [
            f"{where}: probe {probe_id} is {probe['status']}: {probe['evidence']}; "
            f"control: {probe['control']['evidence']}"
            for probe_id, probe in entry["probes"].items()
            if probe["status"] in BAD
        ]
        if entry["neighbours"]["harmed"]:
            found.append(f"{where}: neighbours harmed: {', '.join(entry['neighbours']['harmed'])}")
    return found
