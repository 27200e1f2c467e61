# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers for workloads on a native daemon, with a workspace container's options; the command of a workload."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from native_docker import Daemon, daemon

from workloads import image

MATRIX = Path(__file__).resolve().parent / "matrix"
IMAGE = "bulkhead-test/workloads:1"
CHANGES = (
    "USER 1000:1000",
    "WORKDIR /workspace",
    "ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "ENV HOME=/home/appuser",
    "ENV LANG=C.UTF-8",
)
# As the workspace module makes them; what this machine may lack (AppArmor, userns-remap, quota) is left to the VMs.
OPTIONS = (
    *("--init", "--read-only", "--network=none", "--ipc=private", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *(f"--cap-add={capability}" for capability in ("CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE")),
    *("--pids-limit=256", "--memory=2g", "--memory-swap=2g"),
    *("--tmpfs=/tmp:rw,noexec,nosuid,size=512m", "--tmpfs=/var/tmp:rw,noexec,nosuid,size=128m"),
    *(
        "--tmpfs=/home/appuser:rw,noexec,nosuid,size=128m,uid=1000,gid=1000",
        "--volume=/workspace",
        "--volume=/opt/venv",
    ),
)
_CAPABILITIES = [
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
]  # fmt: skip
_LAUNCH = 'mkdir -p "/workspace/$1" && cd "/workspace/$1" && cat >"$2" && exec "${@:3}" "$2"'


def names() -> list[str]:
    """The workloads of the matrix."""
    return sorted(path.stem for path in MATRIX.iterdir() if path.suffix in (".sh", ".py"))


def program(name: str) -> Path:
    """A workload's program: a name of the matrix, or a path."""
    found = [path for path in MATRIX.glob(f"{name}.*") if path.suffix in (".sh", ".py")]
    return found[0] if found else Path(name)


def every_capability() -> list[str]:
    """Options for every capability that this machine and Docker 20.10 know; a machine in a container has not ALL."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    mask = int(next(line for line in status.splitlines() if line.startswith("CapBnd:")).split()[1], 16)
    return [f"--cap-add={name}" for number, name in enumerate(_CAPABILITIES) if mask >> number & 1]


def launch(path: Path) -> list[str]:
    """The command in a container that takes a program from standard input and runs it in a folder of its own."""
    interpreter = ["python3"] if path.suffix == ".py" else ["bash", "-eu"]
    return ["bash", "-c", _LAUNCH, "launch", path.stem, path.name, *interpreter]


@dataclass(frozen=True)
class Host:
    """A native daemon with the workloads' image."""

    running: Daemon

    def environment(self) -> dict[str, str]:
        """What the docker command needs to find this daemon."""
        return {**os.environ, "DOCKER_HOST": self.running.url}

    def docker(
        self, *arguments: str, stdin: str | None = None, seconds: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """One docker command; the caller looks at its exit code."""
        return subprocess.run(
            ["docker", *arguments],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    @contextmanager
    def container(self, *options: str, image: str = IMAGE) -> Iterator[str]:
        """A container that sleeps, with the options of a workspace and these; its id. It is removed at the end."""
        began = self.docker("run", "--detach", *OPTIONS, *options, image, "sleep", "infinity")
        if began.returncode != 0:
            raise RuntimeError(f"cannot start a container: {began.stderr.strip()}")
        identity = began.stdout.strip()
        try:
            yield identity
        finally:
            self.docker("rm", "--force", "--volumes", identity)

    def work(self, container: str, path: Path, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Runs a program in a container."""
        command = ["exec", "--interactive", container, *prefix, *launch(path)]
        return self.docker(*command, stdin=path.read_text(encoding="utf-8"))


@contextmanager
def host(settings: Mapping[str, Any] | None = None) -> Iterator[Host]:
    """A native daemon, with the image's tree mounted where Docker keeps the image's one, empty layer.

    :param settings: further keys of daemon.json, or None.
    """
    tree = image.build() / "tree"
    with daemon(settings) as running:
        ready = Host(running)
        empty = running.home / "empty.tar"
        with tarfile.open(empty, "w"):
            pass
        changes = [f"--change={change}" for change in CHANGES]
        done = ready.docker("import", *changes, str(empty), IMAGE)
        layer = ready.docker("image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", IMAGE).stdout.strip()
        if not layer:
            raise RuntimeError(f"cannot make the image {IMAGE}: {done.stderr.strip()}; the daemon needs overlay2")
        subprocess.run(["mount", "--bind", "-o", "ro", str(tree), layer], check=True)
        try:
            yield ready
        finally:
            running.remove_containers()
            subprocess.run(["umount", layer], check=True)
