# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles under a native dockerd: every workload works at both levels, and no call is a way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from workloads import box, escapes

DEPLOYMENT = Path(__file__).parents[2] / "deployment" / "seccomp"
LEVELS = {
    "standard": DEPLOYMENT / "workspace-seccomp.json",
    "strict": DEPLOYMENT / "workspace-seccomp-strict.json",
}
# Every capability and root, so that nothing but the filter can refuse.
EVERYTHING = ("--init", "--network=none", "--user=0", "--tmpfs=/tmp", "--security-opt=no-new-privileges")


@pytest.fixture(scope="module", params=LEVELS)
def container(request: pytest.FixtureRequest, host: box.Host) -> Iterator[str]:
    with host.container(f"--security-opt=seccomp={LEVELS[request.param]}") as identity:
        yield identity


@pytest.mark.parametrize("name", box.names())
def test_the_workload_works(host: box.Host, container: str, name: str) -> None:
    done = host.work(container, box.program(name))
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]


def answers(host: box.Host, profile: str) -> dict[str, str]:
    options = [*EVERYTHING, *box.every_capability(), f"--security-opt=seccomp={profile}"]
    done = host.docker(
        "run", "--rm", "--interactive", *options, box.IMAGE, "python3", "-", stdin=escapes.CALLS.read_text()
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def control(host: box.Host) -> dict[str, str]:
    return answers(host, "unconfined")


@pytest.mark.parametrize("level", LEVELS)
def test_no_call_is_a_way_out(host: box.Host, control: dict[str, str], level: str) -> None:
    confined = answers(host, str(LEVELS[level]))
    assert escapes.not_refused(confined) == []
    assert len(escapes.proved(confined, control)) >= 120
    assert len(escapes.succeeded(confined, control)) >= 90


def test_foreign_entries_end_the_process(host: box.Host) -> None:
    confined = answers(host, str(LEVELS["standard"]))
    assert {answer for act, answer in confined.items() if act.startswith(("x32", "int 0x80"))} == {"SIGSYS"}
