# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPython's own test suite as a measure: what passes under Docker's default profiles has to pass under ours."""

from __future__ import annotations

import fnmatch
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

MODULES = (
    *("test_os", "test_posix", "test_subprocess", "test_socket", "test_asyncio", "test_threading", "test_signal"),
    *("test_multiprocessing_fork", "test_multiprocessing_spawn", "test_multiprocessing_forkserver"),
    *("test_mmap", "test_tempfile", "test_shutil", "test_pathlib", "test_ssl", "test_selectors"),
)
FORBIDDEN = Path(__file__).with_name("cpython-forbidden.yml")
# Refused the protocol, these end the process that runs test_socket, and every other test in it with them.
NEVER_RUN = "*UDPLITE*"
RESULTS = "/workspace/results.xml"


@dataclass(frozen=True)
class Difference:
    """A test that passes under Docker's default profiles and not under ours; ``reason`` is empty where unknown."""

    test: str
    ours: str
    reason: str


def command(modules: Sequence[str] = MODULES, *, jobs: int = 1, tests: Sequence[str] = ()) -> list[str]:
    """The command in a container. Exit code 2 means that tests failed; the outcomes are in ``RESULTS``."""
    only = [word for test in tests for word in ("--match", test)]
    report = ["--timeout=900", f"--junit-xml={RESULTS}", f"--ignore={NEVER_RUN}"]
    return ["python3", "-m", "test", f"-j{jobs}", *report, *only, *modules]


def outcomes(xml: str) -> dict[str, str]:
    """Each test's outcome (pass, skip, fail) from the suite's report; one that ran twice has its better outcome."""
    found: dict[str, str] = {}
    better = {"fail": 0, "skip": 1, "pass": 2}
    for case in ElementTree.fromstring(xml).iter("testcase"):  # noqa: S314  our own container's report
        kinds = {child.tag for child in case}
        outcome = "fail" if kinds & {"failure", "error"} else "skip" if "skipped" in kinds else "pass"
        name = case.get("name") or "?"
        if better[outcome] >= better[found.get(name, "fail")]:
            found[name] = outcome
    return found


def forbidden() -> dict[str, str]:
    """Patterns of tests that our rules forbid -> rule and reason."""
    entries = yaml.safe_load(FORBIDDEN.read_text(encoding="utf-8"))
    return {entry["test"]: f"{entry['rule']}: {entry['reason']}" for entry in entries}


def differences(default: Mapping[str, str], ours: Mapping[str, str]) -> list[Difference]:
    """Every test that passed under Docker's default profiles and did not under ours, with the reason if known."""
    known = forbidden()
    found = []
    for test, outcome in sorted(default.items()):
        mine = ours.get(test, "did not run")
        if outcome == "pass" and mine != "pass":
            reasons = [reason for pattern, reason in known.items() if fnmatch.fnmatchcase(test, pattern)]
            found.append(Difference(test, mine, reasons[0] if reasons else ""))
    return found
