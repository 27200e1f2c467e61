# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container of a conversation: our module and our Python door beside docker_container, `docker run` and the SDK.

One daemon of its own at native speed; everything made here is gone afterwards. The mission's limits are in WANTED.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import docker
import peers
from container_support import same_container as same
from frame import ROOT, Contender, Series, interleave, publish, ratio
from native_docker import Daemon, daemon

sys.path.insert(0, str(ROOT / "deployment" / "image"))
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

COUNT = 20
REPEATS = int(os.environ.get("BENCH_REPEATS", "10"))
EXISTING = (1, 10, 50)
WANTED = {
    "create20_vs_docker_container": "<= 0.25",
    "create20_vs_docker_run": "<= 0.8",
    "nochange20_vs_docker_container": "<= 0.15",
    "python_vs_sdk": "<= 1.15",
    "seconds_with_50_vs_1": "<= 1.2",
    "memory_with_50_vs_1": "<= 1.05",
}
# The SDK asked for the same short cut as our module takes; the container then cannot resolve "localhost", ours can.
_BARE, _NO_NETWORK = "Docker SDK, network disabled", {"network_disabled": True}
NAMES = [f"b{number:02}" for number in range(COUNT)]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bench-container-") as folder, daemon() as running:
        running.load(_image())
        bench = Bench(running, Path(folder))
        created = bench.create_twenty()
        unchanged = bench.change_nothing()
        alone = bench.one_by_python()
        seconds, memory = bench.with_others_there()
    twenty, loop, shell = created["workspaces of one task"], created["loop of docker_container"], created["docker run"]
    ratios = {
        "create20_vs_docker_container": ratio(twenty, loop),
        "create20_vs_docker_run": ratio(twenty, shell),
        "nochange20_vs_docker_container": ratio(
            unchanged["no change, one task"], unchanged["no change, loop of docker_container"]
        ),
        "python_vs_sdk": ratio(alone["Python door"], alone["Docker SDK"]),
        "python_vs_sdk_without_network": ratio(alone["Python door"], alone[_BARE]),
        "seconds_with_50_vs_1": ratio(seconds[-1], seconds[0]),
        "memory_with_50_vs_1": ratio(memory[-1], memory[0]),
    }
    series = [*created.values(), *unchanged.values(), *alone.values(), *seconds, *memory]
    versions = {
        "community.docker": peers.version("community.docker"),
        "docker SDK": docker.__version__,
        "docker": _said(["docker", "--version"]),
        "ansible-core": _said([f"{_bin()}/ansible", "--version"]),
    }
    notes = (
        "our figures include the read-back of all seven layers from the kernel",
        "Docker sets up no network for our containers (NetworkDisabled), which spares its daemon work; docker run and",
        "docker_container cannot ask for that, the SDK can: the ratio without a wanted figure compares with that call",
    )
    publish("container", series, ratios, wanted=WANTED, versions=versions, notes=notes)
    return 0


class Bench:
    """The contenders against one daemon."""

    def __init__(self, running: Daemon, folder: Path) -> None:
        self._daemon = running
        self._folder = folder
        self._client = running.client()
        ours = {**same.for_our_module(), "docker_host": running.url}
        entries = [{"conversation_id": name} for name in NAMES]
        task = {"bulkhead.workspace.workspace_container": {**ours, "workspaces": entries}}
        theirs = [same.for_docker_container(f"dc-{name}") | {"docker_host": running.url} for name in NAMES]
        loop = {"community.docker.docker_container": "{{ item }}", "loop": theirs, "loop_control": {"label": ""}}
        script = "\n".join(["set -e", *(shlex.join(same.for_docker_run(f"run-{name}")) for name in NAMES)])
        self._ours = _playbook(folder / "ours.yml", task)
        self._theirs = _playbook(folder / "theirs.yml", loop)
        self._shell = ["bash", "-c", script]

    def create_twenty(self) -> dict[str, Series]:
        """(a) 20 containers from nothing to running."""
        contenders = [
            Contender("workspaces of one task", lambda: self._run(self._ours), after=self._clean),
            Contender("loop of docker_container", lambda: self._run(self._theirs), after=self._clean),
            Contender("docker run", lambda: self._run(self._shell), after=self._clean),
        ]
        return interleave(contenders, repeats=REPEATS)

    def change_nothing(self) -> dict[str, Series]:
        """(b) the same 20 once more."""
        self._run(self._ours)
        self._run(self._theirs)
        contenders = [
            Contender("no change, one task", lambda: self._unchanged(self._ours)),
            Contender("no change, loop of docker_container", lambda: self._unchanged(self._theirs)),
        ]
        try:
            return interleave(contenders, repeats=REPEATS)
        finally:
            self._clean()

    def one_by_python(self) -> dict[str, Series]:
        """(c) one container from a running Python process."""
        contenders = [
            Contender("Python door", lambda: self._create("alone"), after=self._clean),
            Contender("Docker SDK", lambda: same.with_the_sdk(self._client, "sdk-alone"), after=self._clean),
            Contender(_BARE, lambda: same.with_the_sdk(self._client, "sdk-bare", **_NO_NETWORK), after=self._clean),
        ]
        return interleave(contenders, repeats=REPEATS * 2)

    def with_others_there(self) -> tuple[list[Series], list[Series]]:
        """(d) time and memory of one creation in a process of its own, as 1, 10 and 50 containers exist already."""
        seconds, memory = [], []
        for others in EXISTING:
            self._create_others(others)
            found = [self._one_process() for _ in range(REPEATS)]
            seconds.append(Series(f"one more beside {others}", tuple(entry[0] for entry in found)))
            memory.append(Series(f"memory beside {others}", tuple(entry[1] for entry in found), unit="KiB"))
        self._clean()
        return seconds, memory

    def _create_others(self, others: int) -> None:
        from ansible_collections.bulkhead.workspace.plugins.module_utils.workspaces import create_many

        entries = [{"conversation_id": f"o{number}"} for number in range(others)]
        told = create_many(entries, docker_host=self._daemon.url, **same.for_our_module())
        assert "msg" not in told, told["msg"]

    def _create(self, conversation_id: str) -> None:
        from ansible_collections.bulkhead.workspace.plugins.module_utils.workspaces import create

        create(conversation_id, docker_host=self._daemon.url, **same.for_our_module())

    def _one_process(self) -> tuple[float, float]:
        program = (
            "import json, sys, time\n"
            "from ansible_collections.bulkhead.workspace.plugins.module_utils.workspaces import create\n"
            "options = json.loads(sys.argv[1])\n"
            "began = time.perf_counter()\n"
            "create(**options)\n"
            "elapsed = time.perf_counter() - began\n"
            # Not ru_maxrss: a child begins with its parent's.
            "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
            "print(json.dumps([elapsed, int(peak.split()[1])]))\n"
        )
        options = {**same.for_our_module(), "conversation_id": "more", "docker_host": self._daemon.url}
        seconds, kibibytes = json.loads(self._run([sys.executable, "-c", program, json.dumps(options)]))
        self._remove("ws-more")
        # With its volumes left, the next one would have less to do.
        for part in ("workspace", "venv"):
            self._client.api.remove_volume(f"ws-more-{part}")
        return seconds, kibibytes

    def _unchanged(self, command: Sequence[str]) -> None:
        said = self._run(command)
        assert "changed=0" in said, said

    def _run(self, command: Sequence[str]) -> str:
        environment = {
            **os.environ,
            "PATH": f"{_bin()}:{os.environ['PATH']}",
            "DOCKER_HOST": self._daemon.url,
            "ANSIBLE_CONFIG": str(self._folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": f"{ROOT}/.ansible/collections:{peers.collections()}",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "PYTHONPATH": f"{ROOT}/.ansible/collections",
        }
        (self._folder / "ansible.cfg").touch()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)[:200]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _clean(self) -> None:
        for container in self._client.api.containers(all=True):
            self._remove(container["Id"])
        for volume in self._client.api.volumes()["Volumes"] or []:
            self._client.api.remove_volume(volume["Name"])

    def _remove(self, name: str) -> None:
        self._client.api.remove_container(name, force=True, v=True)


def _playbook(path: Path, task: dict[str, Any]) -> list[str]:
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    path.write_text(json.dumps([play]))
    return [f"{_bin()}/ansible-playbook", "--inventory", "localhost,", str(path)]


def _bin() -> Path:
    return Path(sys.executable).parent


def _image() -> Path:
    done = subprocess.run(
        [sys.executable, str(ROOT / "deployment/image/build.py")], stdout=subprocess.PIPE, text=True, check=True
    )
    return Path(done.stdout.strip().splitlines()[-1])


def _said(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
