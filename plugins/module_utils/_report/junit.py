# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The report as JUnit XML for CI systems: a suite for each conversation, a case for each layer and probe."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from .document import NOT_APPLICABLE, NOT_ENFORCED, Document, each_conversation


def render(document: Document) -> str:
    """The XML text."""
    root = ET.Element("testsuites", name=document["schema"])
    for host, entry in document["hosts"].items():
        if entry["failed"]:
            suite = ET.SubElement(root, "testsuite", name=host, tests="1", failures="0", errors="1", skipped="0")
            case = ET.SubElement(suite, "testcase", classname=host, name="reach the host")
            ET.SubElement(case, "error", message=_clean(entry["failed"]))
    for host, conversation, entry in each_conversation(document):
        _suite(root, f"{host}/{conversation}", entry)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, name: str, entry: Mapping[str, Any]) -> None:
    suite = ET.SubElement(root, "testsuite", name=name, time=str(entry["seconds"]))
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for layer, found in entry["layers"].items():
        kind = {NOT_ENFORCED: "failure", NOT_APPLICABLE: "skipped"}.get(found["status"], "")
        _case(suite, f"{name}.layers", f"{layer} {found['title']}", kind, found["evidence"], 0, counts)
    for probe_id, probe in entry["probes"].items():
        kind = {"open": "failure", "unproven": "failure", "error": "error", NOT_APPLICABLE: "skipped"}.get(
            probe["status"], ""
        )
        told = f"{probe['title']}: {probe['evidence']}; control: {probe['control']['evidence']}"
        _case(suite, f"{name}.{probe['layer']}", probe_id, kind, told, probe["seconds"], counts)
    for key, value in counts.items():
        suite.set(key, str(value))


def _case(
    suite: ET.Element, group: str, name: str, kind: str, told: str, seconds: float, counts: dict[str, int]
) -> None:
    case = ET.SubElement(suite, "testcase", classname=group, name=name, time=str(seconds))
    counts["tests"] += 1
    if kind:
        counts[{"failure": "failures", "error": "errors"}.get(kind, kind)] += 1
        ET.SubElement(case, kind, message=_clean(told))
    else:
        ET.SubElement(case, "system-out").text = _clean(told)


def _clean(text: str) -> str:
    """XML has no place for control characters, not even escaped."""
    return "".join(letter if letter >= " " or letter in "\t\n" else "?" for letter in text)
