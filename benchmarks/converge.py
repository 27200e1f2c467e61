# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roll-out on hosts that are converged already: how many tasks, how long, and how it grows from one host to three.

Each host is a machine of its own, as the scenarios have them. PyPI has no role for Docker or for hardening that runs on
Debian, so what stands beside ours is the floor: a play of as many tasks that look at a file, by Ansible's own module,
on the same machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import frame

_VM = frame.ROOT / "molecule" / "shared" / "vm"
_HOSTS = 3
_REPEATS = 5
_WANTED = {"tasks": "<= 60", "seconds": "<= 12", "growth_1_to_3": "<= 1.5"}
_VARIABLES: dict[str, object] = {
    # All hosts at once: a canary first would take its time twice over.
    "workspace_serial": "100%",
    "workspace_environment": "development",
    "xfs_quota_size": "2G",
    "docker_userns_dedicated_host": True,
    "credential_proxy_credentials": [{"name": "anthropic", "value": "sk-ant-bench-0123456789abcdef"}],
    "credential_proxy_routes": [
        {
            "name": "anthropic",
            "type": "anthropic",
            "prefix": "/",
            "host": "api.anthropic.com",
            "credential": "anthropic",
        }
    ],
}
_RECAP = re.compile(r"ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0 +skipped=(\d+)")


@dataclass(frozen=True)
class Recap:
    """What a run said of one host: results that were `ok`, `changed` among them, and tasks that were skipped."""

    ok: int
    changed: int
    skipped: int


@dataclass(frozen=True)
class Play:
    """A playbook with variables."""

    name: str
    file: str
    variables: dict[str, object]

    def run(self, hosts: Sequence[str]) -> Recap:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as inventory:
            json.dump(_inventory(hosts), inventory)
            inventory.flush()
            command = ["ansible-playbook", self.file, "-i", inventory.name, "-e", json.dumps(self.variables)]
            done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
        found = _RECAP.findall(done.stdout)
        if done.returncode != 0 or len(found) != len(hosts):
            raise SystemExit(f"{self.name} fails on {', '.join(hosts)}:\n{done.stdout}{done.stderr}")
        return Recap(*(int(number) for number in found[0]))


def _inventory(hosts: Sequence[str]) -> dict[str, object]:
    """The machines' own inventories, put together."""
    found = {}
    for name in hosts:
        known = json.loads((frame.ROOT / "build" / "vm" / "machines" / name / "inventory.yml").read_text())
        found.update(known["workspace_hosts"]["hosts"])
    return {"workspace_hosts": {"hosts": found}}


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{frame.ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(frame.ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(frame.ROOT / ".ansible"),
        "ANSIBLE_NOCOLOR": "true",
    }


@contextmanager
def machine(name: str) -> Iterator[str]:
    up = [sys.executable, str(_VM), "up", name, "--owner", str(os.getpid())]
    subprocess.run(up, check=True, stdin=subprocess.DEVNULL)
    try:
        yield name
    finally:
        subprocess.run([sys.executable, str(_VM), "down", name], check=True)


def _floor(folder: Path, tasks: int) -> Play:
    """As many tasks as ours has results, each a look at one file."""
    file = folder / "floor.yml"
    looks = [{"name": f"Look {number}", "ansible.builtin.stat": {"path": "/etc/hostname"}} for number in range(tasks)]
    file.write_text(json.dumps([{"hosts": "all", "become": True, "gather_facts": False, "tasks": looks}]))
    return Play("as many looks at a file", str(file), {})


def main() -> None:
    site = Play("site.yml", "bulkhead.workspace.site", _VARIABLES)
    names = [f"bench-{number}" for number in range(1, _HOSTS + 1)]
    with ExitStack() as machines, tempfile.TemporaryDirectory() as folder:
        for name in names:
            machines.enter_context(machine(name))
        site.run(names)
        recap = site.run(names)
        if recap.changed:
            raise SystemExit(f"site.yml still changes {recap.changed} things on its second run; nothing to measure")
        floor = _floor(Path(folder), recap.ok)
        series = frame.interleave(
            [
                frame.Contender(f"{site.name}, 1 host", lambda: site.run(names[:1])),
                frame.Contender(f"{floor.name}, 1 host", lambda: floor.run(names[:1])),
                frame.Contender(f"{site.name}, {_HOSTS} hosts", lambda: site.run(names)),
                frame.Contender(f"{floor.name}, {_HOSTS} hosts", lambda: floor.run(names)),
            ],
            repeats=_REPEATS,
        )
    one, looks, three, three_looks = series.values()
    tasks, seconds, growth = recap.ok, one.median, frame.ratio(three, one)
    frame.publish(
        "converge",
        [one, looks, three, three_looks],
        {
            "tasks": tasks,
            "seconds": seconds,
            "growth_1_to_3": growth,
            "time_by_floor": frame.ratio(one, looks),
            "growth_of_floor": frame.ratio(three_looks, looks),
        },
        wanted=_WANTED,
        versions={"floor": "ansible.builtin.stat"},
        notes=[
            f"tasks: the {recap.ok} that ran, on the host or on the controller; {recap.skipped} more were skipped",
            f"{os.cpu_count()} processors carry all {_HOSTS} machines and the controller",
        ],
        tasks=tasks,
        seconds=round(seconds, 3),
        growth_1_to_3=round(growth, 3),
    )


if __name__ == "__main__":
    main()
