# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPython's own test suite as a measure: what passes under Docker's default profiles has to pass under ours.

The suite runs whole under ours; what does not pass there, and only that, runs under Docker's default then.
"""

from __future__ import annotations

import fnmatch
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Mapping, Sequence
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
# Some of the suite's tests need a quiet machine: what fails without a reason runs again so often.
AGAIN = 3


@dataclass(frozen=True)
class Difference:
    """A test that passes under Docker's default profiles and not under ours; ``reason`` is empty where unknown."""

    test: str
    ours: str
    reason: str


def listing() -> list[str]:
    """The command in a container that prints the names of all tests, a line each."""
    return ["python3", "-m", "test", "--list-cases", *MODULES]


def command(tests: Sequence[str] = (), *, jobs: int = 1) -> list[str]:
    """The command in a container that runs these tests, or all. Exit code 2 means that tests failed; the outcomes are
    in ``RESULTS``.
    """
    only = [word for test in tests for word in ("--match", test)]
    modules = [module for module in MODULES if not tests or any(test.split(".")[1] == module for test in tests)]
    report = ["--timeout=900", f"--junit-xml={RESULTS}"]
    # The first pattern decides what becomes of all other tests, so what is to match comes before what is to be ignored.
    return ["python3", "-m", "test", f"-j{jobs}", *report, *only, f"--ignore={NEVER_RUN}", *modules]


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


def forbidden(level: str) -> dict[str, str]:
    """Patterns of tests that our rules forbid at a level -> rule and reason."""
    entries = yaml.safe_load(FORBIDDEN.read_text(encoding="utf-8"))
    here = [entry for entry in entries if entry.get("level", level) == level]
    return {entry["test"]: f"{entry['rule']}: {entry['reason']}" for entry in here}


def not_passed(names: Iterable[str], ours: Mapping[str, str]) -> dict[str, str]:
    """The tests of the listing that did not pass under ours -> their outcome there."""
    asked = [name for name in names if name.startswith("test.") and not fnmatch.fnmatchcase(name, NEVER_RUN)]
    return {name: outcome for name in asked if (outcome := ours.get(name, "did not run")) != "pass"}


def differences(missed: Mapping[str, str], default: Mapping[str, str], level: str = "standard") -> list[Difference]:
    """Every test that did not pass under ours, and does under Docker's default profiles; with the reason if known."""
    known = forbidden(level)
    found = []
    for test, outcome in sorted(missed.items()):
        if default.get(test) == "pass":
            reasons = [reason for pattern, reason in known.items() if fnmatch.fnmatchcase(test, pattern)]
            found.append(Difference(test, outcome, reasons[0] if reasons else ""))
    return found


def unexplained(found: Sequence[Difference], again: Callable[[Sequence[str]], Mapping[str, str]]) -> list[Difference]:
    """The differences without a reason that stay when their tests run again under ours, alone and up to three times.

    :param again: runs tests by their names, and says their outcomes.
    """
    left = [one for one in found if not one.reason]
    for _ in range(AGAIN):
        if left:
            outcome = again([one.test for one in left])
            left = [one for one in left if outcome.get(one.test) != "pass"]
    return left
