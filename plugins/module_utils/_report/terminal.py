# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The report as text for a terminal: a line for each conversation, the evidence of what is not enforced below."""

from __future__ import annotations

from .document import LAYERS, RUNTIME, Document, each_conversation

# A sign and a word: nobody has to tell colours apart.
_SIGNS = {"enforced": "ok", "not_enforced": "OPEN", "not_applicable": "n/a"}


def lines(document: Document) -> list[str]:
    """The table, then the problems, then the sums."""
    columns = [*LAYERS, RUNTIME]
    rows = [["host/conversation", *columns, "probes proven"]]
    for host, conversation, entry in each_conversation(document):
        cells = [_SIGNS[entry["layers"][name]["status"]] if name in entry["layers"] else "-" for name in columns]
        applicable = [probe for probe in entry["probes"].values() if probe["status"] != "not_applicable"]
        proven = sum(probe["status"] == "proven" for probe in applicable)
        skipped = len(entry["probes"]) - len(applicable)
        said = f"{proven} of {len(applicable)}, {skipped} n/a" if entry["probes"] else "not attacked"
        rows.append([f"{host}/{conversation}", *cells, said if entry["state"] == "running" else entry["state"]])
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    summary = document["summary"]
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in summary["probes"].items())
    told = [f"  {problem}" for problem in summary["problems"]]
    head = [f"{len(told)} problems:"] if told else []
    return [*table, "", *head, *told, f"{summary['hosts']} hosts, probes: {counts}"]
