# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-runner plays the collection on a machine from inside the execution environment, as AWX does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import native_docker
from faults.machine import ROOT, machine
from fleet.hosts import VARIABLES

from environment.image import IMAGE, build


def private_data(folder: Path, name: str) -> None:
    """What ansible-runner is given: the inventory, the machine's address and key."""
    there = ROOT / "build" / "vm" / "machines" / name
    (folder / "inventory").mkdir(parents=True)
    (folder / "env").mkdir()
    settings = (there / "ssh_config").read_text()
    key = re.search(r"IdentityFile (\S+)", settings)
    assert key
    shutil.copy(key[1], folder / "env" / "key")
    (folder / "env" / "ssh_config").write_text(settings.replace(key[1], "/runner/env/key"))
    host = {"ansible_host": name, "ansible_ssh_common_args": "-F /runner/env/ssh_config"}
    inventory = {"workspace_hosts": {"hosts": {name: {**host, "ansible_python_interpreter": "/usr/bin/python3"}}}}
    inventory["workspace_hosts"]["vars"] = VARIABLES
    (folder / "inventory" / "hosts.json").write_text(json.dumps(inventory))


def play(name: str, folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the collection inside the image."""
    runner = str(ROOT / ".venv" / "bin" / "ansible-runner")
    isolation = ["--process-isolation", "--process-isolation-executable", "docker", "--container-image", IMAGE]
    return subprocess.run(
        [
            runner,
            "run",
            str(folder),
            "--playbook",
            f"bulkhead.workspace.{name}",
            *isolation,
            "--container-option=--network=host",
        ],
        env={**os.environ, "DOCKER_HOST": url},
        capture_output=True,
        text=True,
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as place, native_docker.daemon() as daemon:
        build(daemon.url, Path(place))
        with machine("environment", "trixie") as host:
            private_data(Path(place) / "private", host.name)
            for name in ("preflight", "site"):
                done = play(name, Path(place) / "private", daemon.url)
                print(done.stdout, done.stderr, flush=True)
                if done.returncode:
                    return 1
            print(host.check("docker info --format '{{.SecurityOptions}}'"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
