# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare machine's plan beside what the roll-out then changes, and what is told of a host that somebody has changed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace

from faults.machine import ROOT

from .hosts import Fleet, Run, insist
from .tell import tell

NAME = "fleet-drift"
# Each: what somebody does on the host, and what the line about it must say.
CHANGES = (
    ("sed -i '/live-restore/s/true/false/' /etc/docker/daemon.json", "live-restore: false -> true"),
    ("chmod 0644 /etc/credential_proxy/config.json", "/etc/credential_proxy/config.json mode: 0644 -> 0640"),
    ("sed -i /deny.mount/d /etc/apparmor.d/workspace-container", "/etc/apparmor.d/workspace-container line"),
    ("systemctl stop credential_proxy", "Have the service run, now and at boot"),
)


def _watched(hosts: Fleet, name: str, *arguments: str) -> tuple[Run, list[dict[str, str]]]:
    """A playbook with the callback; the run, and what the callback wrote."""
    file = hosts.inventory.parent / "drift.json"
    file.unlink(missing_ok=True)
    watching = {"ANSIBLE_CALLBACKS_ENABLED": "bulkhead.workspace.drift", "BULKHEAD_DRIFT_FILE": str(file)}
    run = replace(hosts, environment={**hosts.environment, **watching}).play(name, *arguments)
    insist(file.exists(), run)
    found: list[dict[str, str]] = json.loads(file.read_text()).get(NAME, [])
    return run, found


def _values(entry: dict[str, str]) -> tuple[str, str, str]:
    """What changes from what to what; a path by its last part, for a plan may not know a new file's folder."""
    return entry["field"].rpartition("/")[2], entry["seen"], entry["wanted"]


def _fields(found: list[dict[str, str]]) -> set[tuple[str, ...]]:
    return {(entry["role"], entry["task"], *_values(entry)) for entry in found}


def _tasks(found: list[dict[str, str]]) -> int:
    return len({(entry["role"], entry["task"]) for entry in found})


def the_plan_of_a_bare_host_is_what_then_happens(hosts: Fleet) -> str:
    plan, foreseen = _watched(hosts, "site", "--check", "--diff")
    insist(plan.status == 0, plan)
    real, happened = _watched(hosts, "site", "--diff")
    insist(real.status == 0, real)
    # Of a directory that is not there yet Ansible's file module says that it is made, but not its owner and mode.
    directories = {values[0].removesuffix(" state") for values in map(_values, foreseen) if values[1] == "absent"}
    surplus = _fields(happened) - _fields(foreseen)
    unforeseen = sorted(entry for entry in surplus if entry[2].partition(" ")[0] not in directories)
    # Two roles may need one directory. The plan names it for both, and the first of them makes it.
    made = {_values(entry) for entry in happened if entry["field"]}
    missing = _fields(foreseen) - _fields(happened)
    unfulfilled = sorted(entry for entry in missing if entry[2:] not in made)
    insist(not unforeseen and not unfulfilled, f"not in the plan: {unforeseen}\nonly in the plan: {unfulfilled}")
    return (
        f"{_tasks(foreseen)} tasks would change {len(foreseen)} fields; {_tasks(happened)} changed {len(happened)}, "
        f"all from and to what the plan says, but for {len(surplus)} of new directories; {len(missing)} named twice"
    )


def a_host_as_wished_has_no_drift(hosts: Fleet) -> str:
    run, found = _watched(hosts, "drift", "--check", "--diff")
    insist(run.status == 0 and not found, run)
    return "exit code 0, no line"


def the_timer_is_content(hosts: Fleet) -> str:
    for file in sorted((ROOT / "deployment" / "drift").glob("bulkhead-drift.*")):
        put = f"printf %s {shlex.quote(file.read_text())} > /etc/systemd/system/{file.name}"
        hosts.machines[NAME].check(put)
    # It says nothing where nothing is wrong.
    said = hosts.machines[NAME].check("systemd-analyze verify bulkhead-drift.timer bulkhead-drift.service 2>&1")
    insist(said == "", said)
    hosts.machines[NAME].check("docker load --quiet --input /srv/images/workspace.tar")
    started = hosts.play("workspace", conversation_id="talk", workspace_image="bulkhead/workspace:demo")
    insist(started.status == 0, started)
    status, output = _timer(hosts)
    insist(status == 0, output)
    return "systemd takes its units; its command ends with 0"


def _timer(hosts: Fleet) -> tuple[int, str]:
    """What the unit does, with the variables that it sets, where a controller would have its inventory."""
    unit = (ROOT / "deployment" / "drift" / "bulkhead-drift.service").read_text().replace("\\\n", " ")
    found = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    assert found and "ANSIBLE_CALLBACKS_ENABLED=bulkhead.workspace.drift" in unit
    place = hosts.inventory.parent / "inventories"
    place.mkdir(exist_ok=True)
    (place / "production").write_text(hosts.inventory.read_text())
    done = subprocess.run(
        ["/bin/sh", "-c", found[1].replace("$$", "$").replace("%%", "%")],
        cwd=hosts.inventory.parent,
        env={**hosts.environment, "ANSIBLE_CALLBACKS_ENABLED": "bulkhead.workspace.drift"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def what_somebody_has_changed_is_named(hosts: Fleet) -> str:
    for act, _line in CHANGES:
        hosts.machines[NAME].check(act)
    status, output = _timer(hosts)
    missing = [line for _act, line in CHANGES if line not in " ".join(output.split())]
    insist(status == 2 and not missing, f"not told: {missing}\n{output}")
    lines = [line for line in output.splitlines() if line.startswith(f"{NAME}: ")]
    return f"exit code 2; {len(CHANGES)} changes by hand, {len(lines)} lines"


def the_roll_out_mends_it(hosts: Fleet) -> str:
    run = hosts.play("site")
    insist(run.status == 0 and run.changed[NAME] > 0, run)
    again, found = _watched(hosts, "drift", "--check", "--diff")
    insist(again.status == 0 and not found, again)
    return f"{run.changed[NAME]} changes; then no line"


STEPS: tuple[Callable[[Fleet], str], ...] = (
    the_plan_of_a_bare_host_is_what_then_happens,
    a_host_as_wished_has_no_drift,
    the_timer_is_content,
    what_somebody_has_changed_is_named,
    the_roll_out_mends_it,
)

if __name__ == "__main__":
    tell("drift", (NAME,), STEPS, __doc__)
