# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The report as one page that needs nothing from elsewhere: hosts by layers, each cell opens its evidence.

Statuses differ in sign, word, frame and brightness, and the two colours (blue, orange) in every kind of colour sight.
On paper all evidence is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from .document import LAYERS, RUNTIME, Document, each_conversation

_SIGNS = {"enforced": "✔", "not_enforced": "✘", "not_applicable": "\N{EN DASH}"}
_MARKS = {"proven": "✔", "open": "✘", "unproven": "?", "error": "!", "not_applicable": "\N{EN DASH}"}
_STYLE = """
:root { --good: #0b5c97; --bad: #b34700; --none: #5f6368; --line: #c9cdd2; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1c1e; background: #fff; margin: 0 auto; max-width: 78rem;
  padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { border: 1px solid var(--line); padding: .35rem .5rem; text-align: left; vertical-align: top; }
thead th { background: #f1f3f4; }
thead small { display: block; font-weight: normal; }
td.cell { padding: 0; }
td.cell a { display: block; padding: .35rem .5rem; text-decoration: none; }
td.cell a:hover, td.cell a:focus { outline: 3px solid #1a1c1e; outline-offset: -3px; }
tbody th { white-space: nowrap; }
.enforced { background: var(--good); }
.not_enforced { background: var(--bad); font-weight: bold; }
.not_applicable { background: repeating-linear-gradient(135deg, #fff 0 8px, #f1f3f4 8px 16px); }
.enforced a, .not_enforced a { color: #fff; }
.not_enforced a { border: 3px double #fff; }
.not_applicable a { color: var(--none); }
.cell small { display: block; }
.verdict { font-size: 1.1rem; border-left: .5rem solid var(--good); padding: .25rem .75rem; margin: 1rem 0; }
.verdict.bad { border-color: var(--bad); border-left-style: double; }
section.evidence { display: none; border: 2px solid #1a1c1e; padding: 1rem; margin: 1rem 0; }
section.evidence:target { display: block; }
.evidence td { font-size: .9rem; overflow-wrap: anywhere; }
.evidence td:first-child, .evidence td:nth-child(2) { white-space: nowrap; }
.status-open, .status-unproven, .status-error { font-weight: bold; color: var(--bad); }
.status-proven { color: var(--good); }
.status-not_applicable { color: var(--none); }
footer { color: var(--none); margin-top: 2rem; }
@media print {
  body { max-width: none; padding: 0; font-size: 10px; }
  section.evidence { display: block; border-width: 1px; break-inside: avoid-page; }
  section.evidence table { break-inside: auto; }
  tr { break-inside: avoid; }
  .close { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def render(document: Document) -> str:
    """The page's text."""
    return "\n".join(_page(document)) + "\n"


def _page(document: Document) -> Iterator[str]:
    summary = document["summary"]
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    # An empty icon, so that browsers do not ask for one.
    yield '<link rel="icon" href="data:,">'
    yield f"<title>Workspace hosts: layer report</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>"
    yield "<h1>Workspace hosts: layer report</h1>"
    yield f"<p>Made {escape(document['generated'])} by bulkhead.workspace {escape(document['collection'])}.</p>"
    yield _verdict(summary)
    yield from _matrix(document)
    for number, (host, conversation, entry) in enumerate(each_conversation(document)):
        for layer, found in entry["layers"].items():
            yield from _evidence(f"c{number}-{layer}", f"{host}, conversation {conversation}", layer, found, entry)
    yield "</main>"
    yield f"<footer>Schema {escape(document['schema'])} {escape(document['version'])}. No network needed.</footer>"
    yield "</body>\n</html>"


def _verdict(summary: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {escape(name.replace('_', ' '))}" for name, count in summary["probes"].items())
    sums = f"{summary['hosts']} hosts, {summary['conversations']} conversations; attacks: {counts}."
    if summary["proven"]:
        return (
            f'<p class="verdict">✔ Proven: every attack that applies was blocked, and succeeded without us. {sums}</p>'
        )
    listed = "".join(f"<li>{escape(problem)}</li>" for problem in summary["problems"])
    told = f"✘ {len(summary['problems'])} problems." if listed else "Nothing was attacked, so nothing is proven."
    return f'<div class="verdict bad"><p>{told} {sums}</p><ul>{listed}</ul></div>'


def _matrix(document: Document) -> Iterator[str]:
    columns = {**LAYERS, RUNTIME: "kernel that answers"}
    yield '<table id="matrix"><thead><tr><th scope="col">Host</th><th scope="col">Conversation</th>'
    yield "".join(f'<th scope="col">{key}<small>{escape(title)}</small></th>' for key, title in columns.items())
    yield "</tr></thead><tbody>"
    for host, entry in document["hosts"].items():
        if entry["failed"] or not entry["conversations"]:
            told = f"✘ {entry['failed']}" if entry["failed"] else "no conversations"
            yield f'<tr><th scope="row">{escape(host)}</th><td colspan="{len(columns) + 1}">{escape(told)}</td></tr>'
    for number, (host, conversation, entry) in enumerate(each_conversation(document)):
        cells = "".join(_cell(f"c{number}-{key}", entry["layers"].get(key)) for key in columns)
        yield f'<tr><th scope="row">{escape(host)}</th><td>{escape(conversation)}</td>{cells}</tr>'
    yield "</tbody></table>"


def _cell(target: str, layer: Mapping[str, Any] | None) -> str:
    if layer is None:
        return "<td>not looked at</td>"
    status = layer["status"]
    counts = layer["probes"]
    tried = sum(counts.values()) - counts["not_applicable"]
    probes = f"<small>{counts['proven']} of {tried} attacks proven blocked</small>" if tried else ""
    word = escape(status.replace("_", " "))
    return f'<td class="cell {escape(status)}"><a href="#{target}">{_SIGNS[status]} {word}{probes}</a></td>'


def _evidence(target: str, where: str, name: str, layer: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[str]:
    yield f'<section class="evidence" id="{target}"><h2>{escape(where)}: {escape(name)} {escape(layer["title"])}</h2>'
    status = layer["status"]
    word = escape(status.replace("_", " "))
    yield f"<p>{_SIGNS[status]} <b>{word}</b>. The kernel says: {escape(layer['evidence'])}</p>"
    rows = [(probe_id, probe) for probe_id, probe in entry["probes"].items() if probe["layer"] == name]
    if rows:
        yield "<table><thead><tr>"
        yield "".join(
            f'<th scope="col">{head}</th>'
            for head in ("Attack", "Verdict", "Inside", "Control: without the defence", "Defences", "References")
        )
        yield "</tr></thead><tbody>"
        yield from (_row(probe_id, probe) for probe_id, probe in rows)
        yield "</tbody></table>"
    yield '<p class="close"><a href="#matrix">Close</a></p></section>'


def _row(probe_id: str, probe: Mapping[str, Any]) -> str:
    status = probe["status"]
    verdict = f'<td class="status-{status}">{_MARKS[status]} {escape(status.replace("_", " "))}</td>'
    control = f"{probe['control']['container']}: {probe['control']['evidence']}".removeprefix(": ")
    texts = (probe["evidence"], control, ", ".join(probe["defences"]), "; ".join(probe["references"]))
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    return f'<tr><td title="{escape(probe_id)}">{escape(probe["title"])}</td>{verdict}{cells}</tr>'
