# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Booting the native host, reaching it by ssh without a network, and ending it.

It has namespaces and cgroups of its own, and the disk of a VM of this checkout, read-only below an overlay in memory.
The kernel is shared: no AppArmor and no XFS quotas where this machine has none. Needs root and cgroup v1.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vm.bake import Image, bake

_BOOT = Path(__file__).with_name("boot.sh")
_BUILD = Path(__file__).resolve().parents[2] / "build"
_NAME = "native-host"
_BOOT_SECONDS = 60
_CGROUPS = Path("/sys/fs/cgroup")


class HostError(Exception):
    """The host cannot be had, or a command in it failed; the text says why."""


@dataclass
class Host:
    """A host; its folder holds its disk, ssh_config and inventory.yml."""

    folder: Path
    image: Image
    process: subprocess.Popen[bytes] | None = None

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.yml"

    def run(self, command: str, *, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root; never raises for a failed one."""
        call = ["ssh", "-F", str(self.folder / "ssh_config"), _NAME, command]
        try:
            return subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(call, 124, "", f"no end within {seconds:g} s")

    def check(self, command: str) -> str:
        done = self.run(command)
        if done.returncode != 0:
            raise HostError(f"cannot run {command!r} in the native host: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Boot; returns when systemd has finished."""
        command = ["bash", str(_BOOT), str(self.folder), str(self.image.disk), self.folder.name]
        with (self.folder / "console.log").open("wb") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        deadline = time.monotonic() + _BOOT_SECONDS
        while not self._up(self.process.pid):
            if self.process.poll() is not None or time.monotonic() > deadline:
                words = (self.folder / "console.log").read_text(errors="replace")[-2000:]
                raise HostError(f"cannot boot a native host: it did not come up within {_BOOT_SECONDS} s: {words}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End every process at once; what they wrote stays."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            _remove_cgroups(self.folder.name)

    def _up(self, unshare: int) -> bool:
        first = _first_process(unshare)
        if first is None:
            return False
        _write_access(self.folder, first, self.image.ssh_key)
        # What belongs to a machine's hardware fails here, such as auditd.
        return self.run("systemctl is-system-running --wait").stdout.strip() in ("running", "degraded")


@contextmanager
def host(release: str) -> Iterator[Host]:
    """A fresh host of this Debian release, up when the block begins."""
    if not (_CGROUPS / "systemd").is_dir():
        raise HostError("cannot boot a native host: this machine has no cgroup v1 with a hierarchy for systemd")
    _BUILD.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="native-host-", dir=_BUILD))
    running = Host(folder, bake(release, lambda line: print(line, file=sys.stderr)))
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


def _first_process(unshare: int) -> int | None:
    """The host's process 1, by its number on this machine; None until it is systemd."""
    children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
    named = [int(child) for child in children if Path(f"/proc/{child}/comm").read_text().strip() == "systemd"]
    return named[0] if named else None


def _write_access(folder: Path, first: int, key: Path) -> None:
    lines = [
        f"Host {_NAME}",
        "User root",
        f"IdentityFile {key}",
        "IdentitiesOnly yes",
        "BatchMode yes",
        "LogLevel ERROR",
        "StrictHostKeyChecking no",
        "UserKnownHostsFile /dev/null",
        f"ProxyCommand nsenter --target {first} --all /usr/sbin/sshd -i",
    ]
    (folder / "ssh_config").write_text("\n  ".join(lines) + "\n")
    known = {
        "ansible_host": _NAME,
        "ansible_ssh_common_args": f"-F {folder / 'ssh_config'}",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    (folder / "inventory.yml").write_text(json.dumps({"workspace_hosts": {"hosts": {_NAME: known}}}))


def _remove_cgroups(name: str) -> None:
    """The kernel removes an empty group only, and a killed process leaves its group a moment later."""
    deadline = time.monotonic() + 10
    while any(_CGROUPS.glob(f"*/{name}")) and time.monotonic() < deadline:
        for group in _CGROUPS.glob(f"*/{name}"):
            for folder, _folders, _files in os.walk(group, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:
                    time.sleep(0.05)
