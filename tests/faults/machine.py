# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One disposable machine: commands in it, plays on it, and the wait for it after its power was cut."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parents[2]
_VM = ROOT / "molecule" / "shared" / "vm"
_CALLBACKS = Path(__file__).with_name("callbacks")
_BOOT_SECONDS = 180


class FaultError(Exception):
    """Something did not come out as promised; the text says what, with the output that shows it."""


def ansible_environment() -> dict[str, str]:
    """This process's, with the checkout's Ansible and its collection."""
    return {
        **os.environ,
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(ROOT / ".ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
    }


@dataclass(frozen=True)
class Machine:
    """A virtual machine.

    :cvar modes: the faults that it can have.
    """

    name: str
    modes: ClassVar[tuple[str, ...]] = ("kill", "power", "play")

    @property
    def inventory(self) -> Path:
        return ROOT / "build" / "vm" / "machines" / self.name / "inventory.yml"

    def run(self, command: str, *, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root; never raises for a failed one."""
        call = [sys.executable, str(_VM), "ssh", self.name, "--", command]
        try:
            return subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(call, 124, "", f"no end within {seconds:g} s")

    def check(self, command: str) -> str:
        done = self.run(command)
        if done.returncode != 0:
            raise FaultError(f"cannot run {command!r} in {self.name}: {done.stdout}{done.stderr}")
        return done.stdout

    def play(self, file: Path, *, kill_after: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a playbook; with kill_after it is killed, with all its children, after that many changing tasks."""
        environment = {
            **ansible_environment(),
            # A machine whose power was cut says nothing any more: the connection has to notice.
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=1",
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "kill_after_change",
            "BULKHEAD_KILL_AFTER": str(kill_after),
        }
        return subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory), str(file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def disk(self, verb: str) -> None:
        """`save` the disk, or `restore` it; either way the machine boots."""
        done = subprocess.run([sys.executable, str(_VM), verb, self.name], capture_output=True, text=True)
        if done.returncode != 0:
            raise FaultError(done.stderr)

    def boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id", seconds=15).stdout.strip()

    def wait_for_boot(self, before: str) -> None:
        """Until another boot than `before` has started everything that it starts."""
        deadline = time.monotonic() + _BOOT_SECONDS
        while self.boot_id() in ("", before):
            if time.monotonic() > deadline:
                raise FaultError(f"{self.name} did not come back within {_BOOT_SECONDS} s after its power was cut")
            time.sleep(0.5)
        self.run("systemctl is-system-running --wait", seconds=_BOOT_SECONDS)


@contextmanager
def machine(name: str, release: str) -> Iterator[Machine]:
    """A fresh machine that ends with the block, and with this process."""
    up = [sys.executable, str(_VM), "up", name, "--release", release, "--owner", str(os.getpid())]
    done = subprocess.run(up, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise FaultError(done.stderr)
    try:
        yield Machine(name)
    finally:
        subprocess.run([sys.executable, str(_VM), "down", name], capture_output=True)
