# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPython's own suite: what passes under Docker's default profiles passes under ours, or has its reason on a list."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from testinfra.host import Host

sys.path[:0] = [str(Path(__file__).parents[3] / folder) for folder in ("tests", "molecule/shared")]

from workloads import box, cpython  # noqa: E402

pytestmark = pytest.mark.skipif(
    "BULKHEAD_CPYTHON" not in os.environ, reason="takes more than half an hour; run by `make long-cpython`"
)


def run(host: Host, container: str, tests: Sequence[str] = ()) -> dict[str, str]:
    host.run(f"docker exec {container} rm -f {cpython.RESULTS}")
    host.run(shlex.join(["docker", "exec", container, *cpython.command(tests, jobs=2)]))
    return cpython.outcomes(host.check_output(f"docker exec {container} cat {cpython.RESULTS}"))


def test_what_passes_under_dockers_profiles_passes_under_ours(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    names = host.check_output(shlex.join(["docker", "exec", "ws-matrix", *cpython.listing()])).split()
    ours = run(host, "ws-matrix")
    assert sum(outcome == "pass" for outcome in ours.values()) > 5000
    missed = cpython.not_passed(names, ours)
    host.check_output(
        shlex.join(["docker", "run", "--detach", "--name", "default", *box.OPTIONS, box.IMAGE, "sleep", "inf"])
    )
    try:
        default = run(host, "default", sorted(missed))
    finally:
        host.run("docker rm --force --volumes default")
    found = cpython.differences(missed, default)
    with capsys.disabled():  # the figures are wanted in the log of a run that passes, too
        print(f"{len(names)} tests; under ours {dict(Counter(ours.values()))}; {len(found)} pass under Docker's alone")
        print(*found, sep="\n")
    assert cpython.unexplained(found, lambda tests: run(host, "ws-matrix", tests)) == []
