# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller needs for 10 to 200 hosts: each is a name for this machine, over a local connection.

Nothing is changed. Roles, variables, templates, modules and results are those of a roll-out: `preflight`, which looks
at every host, and the plan of `site` for a bare host, of one role or of all, batch by batch. The hosts' own work runs
on the controller's processors here, so the seconds are an upper bound; ssh is left out, and takes one process for each
host that was spoken to within the last minute. AppArmor is off, for this machine's kernel may not have it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from faults.machine import ROOT, ansible_environment

from .footprint import Footprint, measured
from .hosts import insist

SIZES = (10, 50, 100, 200)
VARIABLES = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "/usr/bin/python3",
    "workspace_environment": "development",
    "docker_userns_dedicated_host": True,
    "xfs_quota_size": "2G",
    "apparmor_enabled": False,
    "credential_proxy_credentials": [{"name": "anthropic", "value": "sk-ant-many-0123456789abcdef"}],
}
# ansible-core's own share: as many forks, and a task that does nothing.
FLOOR = [{"hosts": "workspace_hosts", "gather_facts": False, "tasks": [{"ansible.builtin.command": "true"}] * 3}]
WORKS = {
    "preflight": ["bulkhead.workspace.preflight"],
    "role": ["bulkhead.workspace.site", "--check", "--tags", "seccomp"],
    "site": ["bulkhead.workspace.site", "--check"],
}


def run(folder: Path, hosts: int, forks: int, *playbook: str) -> Footprint:
    """Run a playbook for so many names."""
    inventory, output = folder / f"hosts-{hosts}.json", folder / "output"
    names: dict[str, dict[str, str]] = {f"ws-{number:03}": {} for number in range(1, hosts + 1)}
    inventory.write_text(json.dumps({"workspace_hosts": {"hosts": names, "vars": VARIABLES}}))
    command = ["ansible-playbook", "-i", str(inventory), "--forks", str(forks), *playbook]
    found = measured(command, ansible_environment(), output)
    insist(found.status == 0, output.read_text()[-4000:])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="make long-hosts", description=__doc__)
    parser.add_argument("--forks", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many hosts")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS), help="what is played")
    options = parser.parse_args()
    told = []
    print(f"hosts: {options.forks} forks; MiB of controller: together (PSS), summed (RSS), main process")
    with tempfile.TemporaryDirectory(prefix="many-") as name:
        folder = Path(name)
        floor = folder / "floor.json"
        floor.write_text(json.dumps(FLOOR))
        works = {"true, thrice": [str(floor)], **{name: WORKS[name] for name in options.works}}
        for work, playbook in works.items():
            for hosts in options.sizes if work in WORKS else (options.forks,):
                one = run(folder, hosts, options.forks, *playbook)
                told.append({"work": work, "hosts": hosts, **vars(one)})
                print(
                    f"  {work:12} {hosts:4} hosts: {one.seconds:6.0f} s, {one.seconds / hosts:5.2f} s a host,"
                    f" {one.seconds_of_cpu / hosts:5.2f} s of CPU a host;"
                    f" {one.together:4.0f} together, {one.summed:5.0f} summed, {one.main:4.0f} main",
                    flush=True,
                )
    file = ROOT / "build" / "bench" / "hosts.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"forks": options.forks, "runs": told}, indent=2) + "\n")
    print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
