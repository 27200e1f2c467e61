# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The report as SARIF 2.1.0, which code scanning shows: a rule for each probe and layer, a result for each finding.

SARIF wants a place in a file; ours are hosts, so results have a logical location instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .document import BAD, NOT_ENFORCED, Document, each_conversation

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(document: Document) -> str:
    """The JSON text."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for host, conversation, entry in each_conversation(document):
        where = f"{host}/{conversation}"
        for name, layer in entry["layers"].items():
            rules.setdefault(name, _rule(name, f"{layer['title']} is in force", {"layer": name}))
            if entry["state"] == "running" and layer["status"] == NOT_ENFORCED:
                results.append(_result(name, "error", layer["evidence"], where))
        for probe_id, probe in entry["probes"].items():
            details = {"layer": probe["layer"], "references": probe["references"], "defences": probe["defences"]}
            rules.setdefault(probe_id, _rule(probe_id, f"Blocked: {probe['title']}", details))
            if probe["status"] in BAD:
                level = "error" if probe["status"] == "open" else "warning"
                told = f"{probe['status']}: {probe['evidence']}; control: {probe['control']['evidence']}"
                results.append(_result(probe_id, level, told, where))
    driver = {"name": "bulkhead.workspace", "version": document["collection"], "rules": list(rules.values())}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(name: str, text: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": text}, "properties": {**properties, "tags": ["security"]}}


def _result(rule: str, level: str, told: str, where: str) -> dict[str, Any]:
    place = {"fullyQualifiedName": where, "kind": "resource"}
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": told},
        "locations": [{"logicalLocations": [place]}],
        "partialFingerprints": {"bulkhead/v1": f"{where}/{rule}"},
    }
