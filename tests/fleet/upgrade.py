# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the last release to this one on a machine with a conversation: what is there before is there afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from . import previous
from .hosts import Fleet, insist
from .tell import tell

NAME = "fleet-upgrade"
IMAGE = "bulkhead/workspace:demo"
# Container, when it started, Docker's own process, the conversation's file and process, and the proxy's answer to it.
STATE = (
    "docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.State.Pid}}' ws-talk; "
    "systemctl show --property MainPID docker.service; "
    "docker exec ws-talk sh -c 'cat /workspace/note /workspace/pid; ls -d /proc/$(cat /workspace/pid); "
    "curl --silent --output /dev/null --write-out %{http_code} http://127.0.0.1:9080/not-allowed'"
)


def the_last_release_makes_the_host_and_a_conversation(hosts: Fleet) -> str:
    old = replace(hosts, environment=previous.install(hosts.inventory.parent))
    made = old.play("site")
    insist(made.status == 0 and made.changed[NAME] > 0, made)
    hosts.machines[NAME].check("docker load --quiet --input /srv/images/workspace.tar")
    started = old.play("workspace", conversation_id="talk", workspace_image=IMAGE)
    insist(started.status == 0, started)
    # The file goes away with its process, which is what the later steps look for.
    hosts.machines[NAME].check(
        "docker exec ws-talk sh -c 'echo kept > /workspace/note; sleep 86400 & echo $! > /workspace/pid'"
    )
    return f"{previous.VERSION}, {made.changed[NAME]} changes; a process runs in ws-talk"


def what_drifts_is_told_before(hosts: Fleet) -> str:
    looking = replace(hosts, environment={**hosts.environment, "ANSIBLE_CALLBACKS_ENABLED": "bulkhead.workspace.drift"})
    run = looking.play("drift", "--check", "--diff")
    told = [line for line in run.output.splitlines() if line.startswith(f"{NAME}: ")]
    insist(run.status != 0 and f"{NAME} is not as wished" in run.text and len(told) > 0, run)
    roles = sorted({line.split(": ")[1] for line in told})
    return f"{len(told)} lines, of {', '.join(roles)}"


def the_upgrade_disturbs_nobody(hosts: Fleet) -> str:
    before = hosts.machines[NAME].check(STATE)
    insist(before.count("\n") >= 5 and before.endswith("403"), before)
    run = hosts.play("site")
    insist(run.status == 0 and run.changed[NAME] > 0, run)
    after = hosts.machines[NAME].check(STATE)
    insist(after == before, f"before:\n{before}\nafter:\n{after}")
    return f"{run.changed[NAME]} changes; container, dockerd, process and file are the same, and the proxy answers"


def nothing_is_left_to_do(hosts: Fleet) -> str:
    run = hosts.play("site")
    insist(run.status == 0 and run.changed[NAME] == 0, run)
    return "changed=0"


def the_walls_of_before_are_judged_by_the_rules_of_today(hosts: Fleet) -> str:
    reports = hosts.inventory.parent / "reports"
    run = hosts.play("verify", workspace_report=str(reports))
    problems = json.loads((reports / "report.json").read_text())["summary"]["problems"]
    insist(bool(problems) == bool(run.status), run)
    return f"exit code {run.status}; {'; '.join(problems) or 'no problem'}"


def a_container_of_before_is_replaced_when_its_owner_says_so(hosts: Fleet) -> str:
    kept = hosts.play("workspace", conversation_id="talk", workspace_image=IMAGE)
    insist(kept.status != 0 and "set recreate: true to replace it" in kept.text, kept)
    run = hosts.play("workspace", conversation_id="talk", workspace_image=IMAGE, workspace_defaults={"recreate": True})
    insist(run.status == 0, run)
    insist(hosts.machines[NAME].check("docker exec ws-talk cat /workspace/note") == "kept\n", run)
    proven = hosts.play("verify")
    insist(proven.status == 0, proven)
    return "the fields that differ are named; with recreate it keeps its volumes, and every layer is proven"


STEPS: tuple[Callable[[Fleet], str], ...] = (
    the_last_release_makes_the_host_and_a_conversation,
    what_drifts_is_told_before,
    the_upgrade_disturbs_nobody,
    nothing_is_left_to_do,
    the_walls_of_before_are_judged_by_the_rules_of_today,
    a_container_of_before_is_replaced_when_its_owner_says_so,
)

if __name__ == "__main__":
    tell("upgrade", (NAME,), STEPS, __doc__)
