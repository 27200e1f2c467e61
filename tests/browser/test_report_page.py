# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html in a real browser: it is quiet, needs no network, a cell opens its evidence, and paper shows all of it.

The screenshots stay in build/browser/, for whoever looks at a run afterwards.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._report import document as documents
from ansible_collections.bulkhead.workspace.plugins.module_utils._report import page

BUILD = Path(__file__).resolve().parents[2] / "build" / "browser"
PAGE = BUILD / "report.html"
CHROMIUM = shutil.which("chromium")
# Console messages come to standard error under this head.
CONSOLE = re.compile(r":CONSOLE[:(]")


def probe(status: str) -> dict[str, Any]:
    """A verdict as workspace_probe returns it."""
    return {
        "layer": "L3",
        "title": "Start more processes than the limit allows",
        "defences": ["pids_limit"],
        "references": ["CIS Docker 5.29"],
        "status": status,
        "blocked": True,
        "evidence": "252 of 320 children, EAGAIN",
        "seconds": 0.4,
        "control": {"container": "plain", "status": "run", "succeeded": True, "evidence": "320 of 320 children"},
        "proven": status == "proven",
    }


def host(*statuses: str) -> dict[str, Any]:
    """What one host tells."""
    layers = {name: {"status": "enforced", "evidence": f"evidence of {name}"} for name in documents.LAYERS}
    container = {"id": "1", "name": "ws-a", "state": "running", "image": "sha256:1"}
    return {
        "conversations": [{"conversation_id": "a", "container": container, "layers": layers}],
        "attacks": {"a": {"attacks": {f"probe{number}": probe(status) for number, status in enumerate(statuses)}}},
    }


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    """A fleet in which everything occurs, as a page in a folder of its own."""
    if CHROMIUM is None:
        pytest.fail("cannot look at the page: chromium is not installed; run make setup")
    BUILD.mkdir(parents=True, exist_ok=True)
    hosts = {"ws-1": host("proven", "not_applicable"), "ws-2": host("open", "proven"), "ws-3": {"failed": "no answer"}}
    PAGE.write_text(page.render(documents.build(hosts, "2026-01-01 00:00 UTC", "2.0.0")))
    yield


def browse(*options: str, fragment: str = "") -> tuple[bytes, str]:
    """Opens the page as somebody without a network would; standard output and error."""
    with tempfile.TemporaryDirectory() as home:
        command = [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
            *("--enable-logging=stderr", "--window-size=1280,900", f"--user-data-dir={home}"),
            # No name resolves, whatever the page may ask for.
            "--host-resolver-rules=MAP * ~NOTFOUND",
            *options,
            f"file://{PAGE}{fragment}",
        ]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout, done.stderr.decode(errors="replace")


def test_a_console_message_would_be_seen() -> None:
    broken = PAGE.with_name("broken.html")
    broken.write_text("<script>console.error('seen')</script>")
    whole = PAGE.read_text()
    try:
        PAGE.write_text(broken.read_text())
        assert CONSOLE.search(browse("--dump-dom")[1])
    finally:
        PAGE.write_text(whole)
        broken.unlink()


def test_the_page_is_quiet_and_is_shown() -> None:
    picture = BUILD / "report.png"
    errors = browse(f"--screenshot={picture}")[1]
    assert not CONSOLE.search(errors), errors
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_cell_opens_its_evidence() -> None:
    closed, opened = BUILD / "closed.png", BUILD / "evidence.png"
    browse(f"--screenshot={closed}")
    errors = browse(f"--screenshot={opened}", fragment="#c1-L3")[1]
    assert not CONSOLE.search(errors), errors
    # The same page with one more box on it is another picture.
    assert closed.read_bytes() != opened.read_bytes()


def test_paper_shows_all_evidence() -> None:
    paper = BUILD / "report.pdf"
    browse(f"--print-to-pdf={paper}")
    pages = paper.read_bytes().count(b"/Type /Page\n") + paper.read_bytes().count(b"/Type /Page ")
    assert paper.read_bytes().startswith(b"%PDF")
    # Sixteen sections of evidence do not fit onto the page of the table.
    assert pages >= 2
