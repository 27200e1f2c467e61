# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPython's own suite: what passes under Docker's default profiles passes under ours, or has its reason on a list."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

sys.path[:0] = [str(Path(__file__).parents[3] / folder) for folder in ("tests", "molecule/shared")]

from workloads import box, cpython  # noqa: E402

pytestmark = pytest.mark.skipif(
    "BULKHEAD_CPYTHON" not in os.environ, reason="takes more than half an hour; run by `make long-cpython`"
)
# A test that failed runs again alone: some of the suite's need a quiet machine.
AGAIN = 3


def run(host: Host, container: str, command: list[str]) -> dict[str, str]:
    host.run(f"docker exec {container} rm -f {cpython.RESULTS}")
    host.run(shlex.join(["docker", "exec", container, *command]))
    return cpython.outcomes(host.check_output(f"docker exec {container} cat {cpython.RESULTS}"))


def test_what_passes_under_dockers_profiles_passes_under_ours(host: Host) -> None:
    host.check_output(
        shlex.join(["docker", "run", "--detach", "--name", "default", *box.OPTIONS, box.IMAGE, "sleep", "inf"])
    )
    try:
        default = run(host, "default", cpython.command())
    finally:
        host.run("docker rm --force --volumes default")
    ours = run(host, "ws-matrix", cpython.command())
    assert sum(outcome == "pass" for outcome in default.values()) > 5000
    left = [one for one in cpython.differences(default, ours) if not one.reason]
    for _ in range(AGAIN):
        if left:
            modules = sorted({one.test.split(".")[1] for one in left})
            again = run(host, "ws-matrix", cpython.command(modules, tests=[one.test for one in left]))
            left = [one for one in left if again.get(one.test) != "pass"]
    assert left == []
