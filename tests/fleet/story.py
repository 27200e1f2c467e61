# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a roll-out, step by step. Each step insists on what it says, by asking the machines."""

from __future__ import annotations

import json
from collections.abc import Callable

from .hosts import Fleet, insist
from .tell import tell

# In the order of the inventory: the canary, the one that is broken, the one with a conversation.
NAMES = CANARY, SMALL, BUSY = "fleet-canary", "fleet-small", "fleet-busy"
IMAGE = "bulkhead/workspace:demo"
# dockerd takes this one at its start only.
RESTART = {"docker_userns_daemon_settings": {"default-cgroupns-mode": "private"}}
STATE = (
    "systemctl is-active docker; findmnt --noheadings --output FSTYPE /var/lib/docker; "
    "cat /etc/docker/daemon.json /etc/bulkhead/rollout 2>/dev/null; true"
)


def a_disk_that_is_too_small_is_told_before_the_first_change(hosts: Fleet) -> str:
    hosts.machines[SMALL].check("fallocate --length 30G /filler")
    run = hosts.play("site")
    insist(run.status != 0 and set(run.changed.values()) == {0}, run)
    report = run.text.partition("hosts have problems:")[2].partition("Correct them")[0]
    insist(SMALL in report and "are free there; lower the size" in report, run)
    insist(CANARY not in report and BUSY not in report, run)
    hosts.machines[SMALL].check("rm /filler")
    return "refused; only fleet-small is named"


def a_host_that_fails_stops_the_roll_out_and_stays_as_it_was(hosts: Fleet) -> str:
    before = hosts.everywhere(STATE)
    hosts.machines[SMALL].check(
        "mv /usr/sbin/mkfs.xfs /usr/sbin/mkfs.xfs.real; "
        "printf '#!/bin/sh\\necho broken on purpose >&2\\nexit 1\\n' > /usr/sbin/mkfs.xfs; chmod 755 /usr/sbin/mkfs.xfs"
    )
    run = hosts.play("site", workspace_rollout="first")
    insist(run.status != 0 and run.failed == {SMALL} and "broken on purpose" in run.text, run)
    after = hosts.everywhere(STATE)
    insist("userns-remap" in after[CANARY] and after[CANARY].endswith("first\n"), str(after))
    insist(after[SMALL] == before[SMALL] and after[BUSY] == before[BUSY], str((before, after)))
    return "the canary is done; fleet-small has what it had; fleet-busy was not touched"


def it_goes_on_where_it_stopped(hosts: Fleet) -> str:
    hosts.machines[SMALL].check("mv /usr/sbin/mkfs.xfs.real /usr/sbin/mkfs.xfs")
    run = hosts.play("site", workspace_rollout="first")
    insist(run.status == 0 and run.changed[CANARY] == 0 and min(run.changed[SMALL], run.changed[BUSY]) > 0, run)
    insist(all(text.endswith("first\n") for text in hosts.everywhere(STATE).values()), run)
    return "the canary is passed over; the other two are done"


def a_change_that_needs_a_restart_names_the_conversation(hosts: Fleet) -> str:
    hosts.everywhere("docker load --quiet --input /srv/images/workspace.tar")
    started = hosts.play("workspace", "--limit", BUSY, conversation_id="talk", workspace_image=IMAGE)
    insist(started.status == 0, started)
    hosts.machines[BUSY].check("docker exec ws-talk sh -c 'echo kept > /workspace/note'")
    run = hosts.play("site", **RESTART)
    insist(run.status != 0 and set(run.changed.values()) == {0}, run)
    report = run.text.partition("hosts have problems:")[2].partition("Correct them")[0]
    insist(BUSY in report and "talk" in report and "docker_userns_drain" in report and CANARY not in report, run)
    return "refused on fleet-busy; ws-talk and docker_userns_drain are named"


def drained_and_proven_batch_by_batch(hosts: Fleet) -> str:
    drain = {"docker_userns_drain": True, "docker_userns_drain_seconds": 3}
    run = hosts.play("site", workspace_rollout="second", workspace_proof_image=IMAGE, **RESTART, **drain)
    insist(run.status == 0 and min(run.changed.values()) > 0, run)
    left = hosts.everywhere(
        "docker info --format '{{.CgroupVersion}}'; docker ps --all --quiet --filter name=rollout-proof"
    )
    insist(set(left.values()) == {"2\n"}, str(left))
    stamps = hosts.everywhere("cat /etc/bulkhead/rollout")
    insist(set(stamps.values()) == {"second\n"}, str(stamps))
    return "each host withstood every attack before the next began"


def nothing_is_left_to_do(hosts: Fleet) -> str:
    run = hosts.play("site", **RESTART)
    insist(run.status == 0 and set(run.changed.values()) == {0}, run)
    return "changed=0 on all three"


def one_report_for_all(hosts: Fleet) -> str:
    for name, conversation in zip(NAMES, ("one", "two", "talk"), strict=True):
        started = hosts.play("workspace", "--limit", name, conversation_id=conversation, workspace_image=IMAGE)
        insist(started.status == 0, started)
    insist(hosts.machines[BUSY].check("docker exec ws-talk cat /workspace/note") == "kept\n", started)
    reports = hosts.inventory.parent / "reports"
    run = hosts.play("verify", workspace_report=str(reports))
    insist(run.status == 0, run)
    told = json.loads((reports / "report.json").read_text())
    page = (reports / "report.html").read_text()
    insist(set(told["hosts"]) == {CANARY, SMALL, BUSY} and all(name in page for name in told["hosts"]), run)
    return f"{len(told['hosts'])} hosts in one report.html; what the conversation had written is there"


STEPS: tuple[Callable[[Fleet], str], ...] = (
    a_disk_that_is_too_small_is_told_before_the_first_change,
    a_host_that_fails_stops_the_roll_out_and_stays_as_it_was,
    it_goes_on_where_it_stopped,
    a_change_that_needs_a_restart_names_the_conversation,
    drained_and_proven_batch_by_batch,
    nothing_is_left_to_do,
    one_report_for_all,
)


if __name__ == "__main__":
    tell("fleet", NAMES, STEPS, __doc__)
