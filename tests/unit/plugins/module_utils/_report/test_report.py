# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: what it counts, what it refuses to call a proof, and that its forms say the same."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
from ansible_collections.bulkhead.workspace.plugins.module_utils._report import document as documents
from ansible_collections.bulkhead.workspace.plugins.module_utils._report import junit, page, sarif, terminal

SCHEMA = Path(__file__).resolve().parents[5] / "docs" / "report-1.0.schema.json"


def probe(layer: str, status: str) -> dict[str, Any]:
    """A verdict."""
    return {
        "layer": layer,
        "title": f"Try <{layer}> & more",
        "defences": ["seccomp"],
        "references": ["CIS Docker 5.22"],
        "status": status,
        "blocked": status != "open",
        "evidence": "EPERM \x01",
        "seconds": 0.1,
        "control": {"container": "open", "status": "run", "succeeded": True, "evidence": "returned 0"},
        "proven": status == "proven",
    }


def told(*statuses: str, layer: str = "enforced", evidence: str = "seen", failed: str = "") -> dict[str, Any]:
    """What one host tells."""
    layers = {
        name: {"status": layer if name == "L2" else "enforced", "evidence": evidence} for name in documents.LAYERS
    }
    attacks = {f"probe{number}": probe("L2", status) for number, status in enumerate(statuses)}
    container = {"id": "1", "name": "ws-a", "state": "running", "image": "sha256:1"}
    return {
        "failed": failed,
        "conversations": [{"conversation_id": "a", "container": container, "layers": layers}],
        "attacks": {
            "a": {
                "attacks": attacks,
                "runtime": {"status": "not_applicable", "evidence": "runc"},
                "neighbours": {"watched": 1, "harmed": []},
                "seconds": 12.5,
            }
        },
    }


def build(**hosts: dict[str, Any]) -> documents.Document:
    return documents.build(hosts, "2026-01-01 00:00 UTC", "2.0.0")


def test_all_proven_is_a_proof() -> None:
    found = build(one=told("proven", "not_applicable"))["summary"]
    assert found["proven"]
    assert found["problems"] == []
    assert found["probes"] == {"proven": 1, "open": 0, "unproven": 0, "error": 0, "not_applicable": 1}


def test_nothing_attacked_proves_nothing_but_is_no_problem() -> None:
    found = build(one=told())["summary"]
    assert not found["proven"]
    assert found["problems"] == []


def test_whatever_is_not_proven_is_a_problem() -> None:
    for status in ("open", "unproven", "error"):
        assert any(status in problem for problem in build(one=told(status))["summary"]["problems"])
    assert (
        "L2 seccomp and AppArmor is not enforced"
        in build(one=told("proven", layer="not_enforced"))["summary"]["problems"][0]
    )
    silent = build(one=told("proven"), two={"failed": "the host did not answer"})["summary"]
    assert silent["problems"] == ["two: the host did not answer"]
    harmed = told("proven")
    harmed["attacks"]["a"]["neighbours"]["harmed"] = ["ws-b"]
    assert "neighbours harmed: ws-b" in build(one=harmed)["summary"]["problems"][0]


def test_an_attack_that_succeeded_takes_the_layer_away() -> None:
    layer = build(one=told("open"))["hosts"]["one"]["conversations"]["a"]["layers"]["L2"]
    assert layer["status"] == "not_enforced"
    assert layer["evidence"].startswith("attacks succeeded: probe0")


def test_what_a_runtime_leaves_out_is_not_applicable() -> None:
    entry = told(
        "proven", layer="not_enforced", evidence="not enforced by this runtime: runsc applies no profile inside"
    )
    document = build(one=entry)
    assert document["hosts"]["one"]["conversations"]["a"]["layers"]["L2"]["status"] == "not_applicable"
    assert document["summary"]["problems"] == []


def test_the_document_follows_its_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = build(one=told("proven", "open"), two={"failed": "gone"}, three=told())
    jsonschema.validate(json.loads(json.dumps(document)), schema)


def test_junit_counts_what_it_lists() -> None:
    suites = ET.fromstring(  # noqa: S314
        junit.render(build(one=told("proven", "open", "error", "not_applicable"), two={"failed": "gone"}))
    )
    suite = next(entry for entry in suites if entry.get("name") == "one/a")
    # Seven layers and the runtime, and four probes; the open probe takes its layer along.
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["12", "2", "1", "2"]
    assert len(suite.findall("testcase")) == 12
    assert suites.find("testsuite[@name='two']/testcase/error") is not None


def test_sarif_has_a_rule_for_every_result() -> None:
    run = json.loads(sarif.render(build(one=told("proven", "open", "unproven"))))["runs"][0]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == {"L2", "probe1", "probe2"} <= rules
    assert {result["level"] for result in run["results"]} == {"error", "warning"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [str(found["id"])] if "id" in found else []
        self.links += [str(found["href"])[1:]] if str(found.get("href", "")).startswith("#") else []
        self.foreign += [str(found[key]) for key in ("src", "href") if re.match(r"https?:|//", str(found.get(key, "")))]
        self.foreign += ["script"] if tag == "script" else []


def test_the_page_stands_alone_and_every_cell_leads_to_its_evidence() -> None:
    text = page.render(build(one=told("proven", "open"), two=told("proven"), three={"failed": "gone <b>"}))
    read = _Page()
    read.feed(text)
    assert read.foreign == []
    assert "url(" not in text and "@import" not in text
    assert len(read.ids) == len(set(read.ids))
    assert set(read.links) <= set(read.ids)
    assert text.count('class="cell ') == 16
    assert "gone &lt;b&gt;" in text and "Try &lt;L2&gt; &amp; more" in text
    # Statuses are told by a sign and a word, not by colour alone.
    assert "✘ not enforced" in text and "✔ enforced" in text


def test_the_terminal_shows_a_line_for_each_conversation() -> None:
    lines = terminal.lines(build(one=told("proven", "open", "not_applicable"), two={"failed": "gone"}))
    assert lines[1].split() == ["one/a", "ok", "OPEN", "ok", "ok", "ok", "ok", "ok", "n/a", "1", "of", "2,", "1", "n/a"]
    assert "  two: gone" in lines
