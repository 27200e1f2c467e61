# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disposable machines as one inventory, and the collection's playbooks on them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.machine import ROOT, Machine, ansible_environment, machine

VARIABLES: dict[str, Any] = {
    "workspace_environment": "staging",
    "xfs_quota_size": "12G",
    "docker_userns_dedicated_host": True,
    "credential_proxy_credentials": [{"name": "anthropic", "value": "sk-ant-fleet-0123456789abcdef"}],
}
_RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=\d+ +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """How a playbook went."""

    status: int
    output: str

    @property
    def text(self) -> str:
        """The output on one line, since the terminal's width breaks messages anywhere."""
        return " ".join(self.output.split())

    @property
    def changed(self) -> dict[str, int]:
        """Changes by host."""
        return {host: int(number) for host, number, _ in _RECAP.findall(self.output)}

    @property
    def failed(self) -> set[str]:
        return {host for host, _, number in _RECAP.findall(self.output) if int(number)}


def insist(holds: bool, run: Run | str) -> None:
    """End the story here, with the output that shows why, unless the step came out as it says."""
    if not holds:
        raise SystemExit(
            f"cannot go on: this step did not come out as it says\n{run.output if isinstance(run, Run) else run}"
        )


@dataclass(frozen=True)
class Fleet:
    """The machines by name, where their inventory lies, and the environment whose collection is played."""

    machines: dict[str, Machine]
    inventory: Path
    environment: dict[str, str] = field(default_factory=ansible_environment)

    def play(self, name: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook of the collection on the fleet."""
        command = ["ansible-playbook", f"bulkhead.workspace.{name}", "-i", str(self.inventory), *arguments]
        done = subprocess.run(
            [*command, "-e", json.dumps(variables)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        return Run(done.returncode, done.stdout + done.stderr)

    def everywhere(self, command: str) -> dict[str, str]:
        """Run a shell command on every machine at once; what each printed."""
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda host: host.run(command, seconds=300).stdout, self.machines.values())
            return dict(zip(self.machines, found, strict=True))


@contextmanager
def fleet(folder: Path, release: str, names: Sequence[str]) -> Iterator[Fleet]:
    """Fresh machines, ended with the block."""
    with ExitStack() as machines:
        hosts = {name: machines.enter_context(machine(name, release)) for name in names}
        told = [ROOT / "build" / "vm" / "machines" / name / "inventory.yml" for name in names]
        entries = [json.loads(file.read_text())["workspace_hosts"]["hosts"] for file in told]
        inventory = folder / "inventory.json"
        inventory.write_text(
            json.dumps({"workspace_hosts": {"hosts": {k: v for e in entries for k, v in e.items()}, "vars": VARIABLES}})
        )
        yield Fleet(hosts, inventory)
