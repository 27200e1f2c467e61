# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under every layer at once: the workloads work, no way out is open, and the container can be looked at and stopped."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

sys.path[:0] = [str(Path(__file__).parents[3] / folder) for folder in ("tests", "molecule/shared")]

from workloads import box, escapes  # noqa: E402

CONVERSATION = "ws-matrix"
HERE = "/srv/workloads"
PROFILE = "/etc/bulkhead/seccomp/workspace-seccomp.json"
# The control, and each wall alone: root of the machine with every capability, so that nothing else can refuse.
ALONE = (
    "docker run --rm --interactive --init --userns host --network none --user 0 --cap-add ALL "
    "--security-opt systempaths=unconfined --tmpfs /tmp:exec --tmpfs /var/tmp:exec --tmpfs /home/appuser:exec "
    "--tmpfs /dev/shm:exec --volume /sys:/sys --security-opt seccomp={seccomp} --security-opt apparmor={apparmor} "
    f"{box.IMAGE} python3 -"
)


@pytest.mark.parametrize("name", box.names())
def test_the_workload_works(host: Host, name: str) -> None:
    program = box.program(name)
    command = shlex.join(["docker", "exec", "--interactive", CONVERSATION, *box.launch(program)])
    done = host.run(f"{command} <{HERE}/matrix/{program.name}")
    assert done.rc == 0, done.stdout[-1000:] + done.stderr[-2000:]


def answers(host: Host, program: Path, command: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(host.check_output(f"{command} <{HERE}/escapes/{program.name}"))
    return found


def alone(host: Host, program: Path, *, seccomp: str = "unconfined", apparmor: str = "unconfined") -> dict[str, str]:
    return answers(host, program, ALONE.format(seccomp=seccomp, apparmor=apparmor))


def test_no_call_is_a_way_out(host: Host) -> None:
    control = alone(host, escapes.CALLS)
    confined = alone(host, escapes.CALLS, seccomp=PROFILE)
    assert escapes.not_refused(confined) == []
    assert len(escapes.proved(confined, control)) >= 80


def test_no_file_is_a_way_out(host: Host) -> None:
    control = alone(host, escapes.FILES)
    confined = alone(host, escapes.FILES, apparmor="workspace-container")
    parser = host.check_output("apparmor_parser --version").partition("version ")[2]
    # The 3.0 parsers have no word for user namespaces; seccomp refuses them on every release.
    beyond = ["make a user namespace"] if parser.startswith("3.") else []
    assert escapes.not_refused(confined) == beyond
    assert len(escapes.succeeded(confined, control)) >= 60


@pytest.mark.parametrize("program", [escapes.CALLS, escapes.FILES], ids=["calls", "files"])
def test_nothing_is_open_in_a_conversation(host: Host, program: Path) -> None:
    assert escapes.not_refused(answers(host, program, f"docker exec --interactive {CONVERSATION} python3 -")) == []


def test_exec_logs_and_ps_work(host: Host) -> None:
    assert host.check_output(f"docker exec {CONVERSATION} id --user") == "1000"
    assert host.run(f"docker logs {CONVERSATION}").rc == 0
    seen = host.check_output(f"docker exec {CONVERSATION} sh -c 'sleep 30 & ps -e -o args'").splitlines()
    assert "sleep 30" in seen


def test_stop_ends_it_within_its_grace_time(host: Host) -> None:
    """The last test: the conversation is gone after it."""
    assert host.run(f"timeout 8 docker stop --time 60 {CONVERSATION}").rc == 0
