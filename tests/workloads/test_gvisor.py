# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workloads under gVisor, and what becomes of the seccomp profile there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workloads import box, escapes, gvisor

PROFILE = Path(__file__).parents[2] / "deployment" / "seccomp" / "workspace-seccomp.json"


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[box.Host]:
    with box.host(gvisor.settings()) as running:
        yield running


@pytest.fixture(scope="module")
def container(sandboxes: box.Host) -> Iterator[str]:
    with sandboxes.container("--runtime=runsc", f"--security-opt=seccomp={PROFILE}") as identity:
        yield identity


def test_the_kernel_is_gvisors(sandboxes: box.Host, container: str) -> None:
    assert "Starting gVisor" in sandboxes.docker("exec", container, "dmesg").stdout


@pytest.mark.parametrize("name", box.names())
def test_the_workload_works(sandboxes: box.Host, container: str, name: str) -> None:
    done = sandboxes.work(container, box.program(name))
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]


def possible(sandboxes: box.Host, profile: str) -> set[str]:
    """The calls that succeed for root with every capability inside."""
    options = ["--runtime=runsc", "--init", "--network=none", "--user=0", "--tmpfs=/tmp", *box.every_capability()]
    command = ["run", "--rm", "--interactive", *options, f"--security-opt=seccomp={profile}", box.IMAGE, "python3", "-"]
    done = sandboxes.docker(*command, stdin=escapes.CALLS.read_text())
    assert done.returncode == 0, done.stderr
    return set(escapes.not_refused(json.loads(done.stdout)))


def test_the_profile_does_not_apply_inside(sandboxes: box.Host) -> None:
    """What the documents and every report say: the calls end in gVisor's kernel, which does not know the profile."""
    under_ours = possible(sandboxes, str(PROFILE))
    assert "unshare NEWUSER" in under_ours
    assert under_ours == possible(sandboxes, "unconfined")


def test_gvisor_confines_its_own_process_on_the_host(sandboxes: box.Host, container: str) -> None:
    pid = sandboxes.docker("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    assert {"NoNewPrivs:\t1", "Seccomp:\t2"} <= set(status)


def test_exec_logs_ps_and_stop_work(sandboxes: box.Host) -> None:
    with sandboxes.container("--runtime=runsc", f"--security-opt=seccomp={PROFILE}") as identity:
        assert sandboxes.docker("exec", identity, "id", "--user").stdout == "1000\n"
        seen = sandboxes.docker("exec", identity, "sh", "-c", "sleep 30 & ps -e -o args").stdout.splitlines()
        assert "sleep 30" in seen
        assert sandboxes.docker("logs", identity).returncode == 0
        began = time.monotonic()
        assert sandboxes.docker("stop", "--time", "60", identity).returncode == 0
        assert time.monotonic() - began < 30
