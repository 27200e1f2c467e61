# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing machines up and down, and reaching them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vm import paths
from vm.bake import bake
from vm.choose import choose
from vm.engines import Engine
from vm.errors import VmError
from vm.locks import one_at_a_time
from vm.shell import run
from vm.snapshot import DiskAct

Say = Callable[[str], None]

_NAME = re.compile(r"^[a-z][a-z0-9-]{0,30}$")
_BOOT_SECONDS = {"kvm": 120, "uml": 180, "tcg": 420}
_DOWN_SECONDS = 15
_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# A machine that goes down in the middle of a question never answers it.
_ANSWER_SECONDS = 5
_CONSOLE_LINES = 40


@dataclass(frozen=True)
class Status:
    """What is known of a machine."""

    name: str
    running: bool
    facts: dict[str, Any]


def up(
    name: str,
    *,
    release: str,
    memory_mib: int,
    owner: int | None,
    disk: Path | None,
    without: str | None = None,
    say: Say,
) -> Status:
    """Boot a fresh machine and return when systemd has finished; an older machine of the same name is ended first.

    :param owner: process id that the machine must not outlive, or None.
    :param disk: a file that becomes a second, read-only disk, or None.
    :param without: an engine that cannot do what the machine is for, or None.
    """
    if not _NAME.match(name):
        raise VmError(
            f"cannot bring up '{name}': a name is lower-case letters, digits and hyphens, 31 at most; choose another"
        )
    if disk is not None and not disk.is_file():
        raise VmError(f"cannot bring up '{name}': its second disk {disk} is not a file; build it first")
    down(name)
    image = bake(release, say)
    choice = choose(image, without)
    say(f"{name}: engine {choice.engine.name} ({choice.why})")
    began = time.monotonic()
    folder = paths.machine(name)
    folder.mkdir(parents=True)
    (folder / "image").symlink_to(image.folder)
    listener = socket.create_server(("127.0.0.1", 0))
    facts = {
        "name": name,
        "release": release,
        "engine": choice.engine.name,
        "port": listener.getsockname()[1],
        "memory_mib": memory_mib,
        "ssh_key": str(image.ssh_key),
        "disk": str(disk.resolve()) if disk else None,
    }
    with one_at_a_time(paths.machines() / "lock"):
        facts["cpu"] = least_used(sorted(os.sched_getaffinity(0)), [known.facts.get("cpu") for known in machines()])
        (folder / "machine.json").write_text(json.dumps(facts, indent=1))
    _write_access(folder, name, facts["port"], image.ssh_key)
    supervisor = _start(name, choice.engine, listener, owner)
    try:
        _wait_for_boot(name, supervisor, _BOOT_SECONDS[choice.engine.name])
    except BaseException:
        supervisor.terminate()
        supervisor.wait()
        raise
    say(f"{name}: up in {time.monotonic() - began:.1f} s; log in with: {' '.join(ssh_command(name))}")
    return Status(name, True, facts)


def down(name: str) -> bool:
    """End a machine and delete it; False where there was none."""
    folder = paths.machine(name)
    if not folder.exists():
        return False
    pid = _holder(folder)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_SECONDS
        while _holder(folder) is not None:
            if time.monotonic() > deadline:
                raise VmError(f"cannot end {name}: its supervisor {pid} does not stop; end it with: kill -9 {pid}")
            time.sleep(0.05)
    shutil.rmtree(folder)
    return True


def reboot(name: str, say: Say) -> None:
    """Reboot a machine with its disk kept; returns when the boot id has changed and systemd has finished."""
    # The connection breaks under the command, so its exit status says nothing.
    act = [*ssh_command(name), "systemctl --no-block reboot"]
    seconds = _boot_again(name, lambda: subprocess.run(act, capture_output=True))
    say(f"{name}: rebooted in {seconds:.1f} s")


def save(name: str, say: Say) -> None:
    """Keep a copy of a machine's disk, in place of an older one; the machine's power is cut for it, after a sync."""
    seconds = _boot_again(name, lambda: _ask(name, DiskAct.SAVE))
    say(f"{name}: disk saved, up again in {seconds:.1f} s")


def restore(name: str, say: Say) -> None:
    """Boot a machine with its disk as it was when it was saved."""
    seconds = _boot_again(name, lambda: _ask(name, DiskAct.RESTORE))
    say(f"{name}: disk restored, up again in {seconds:.1f} s")


def _ask(name: str, act: DiskAct) -> None:
    folder = paths.machine(name)
    if act is DiskAct.RESTORE and not (folder / "overlay.saved").exists():
        raise VmError(f"cannot restore {name}: its disk was never saved; save it first with 'save {name}'")
    if act is DiskAct.SAVE:
        run(f"have {name} write to its disk", [*ssh_command(name), "sync"])
    holder = _holder(folder)
    if holder is not None:
        os.kill(holder, act.value)


def _boot_again(name: str, act: Callable[[], object]) -> float:
    """Do what ends in another boot of a machine, and return when that has finished: its seconds."""
    facts = _running(name).facts
    before = _ssh_output(name, _BOOT_ID)
    began = time.monotonic()
    act()
    deadline = began + _BOOT_SECONDS[facts["engine"]]
    while _ssh_output(name, _BOOT_ID, _ANSWER_SECONDS) in ("", before):
        _check_time(name, deadline)
        time.sleep(0.3)
    _wait_for_systemd(name, deadline)
    return time.monotonic() - began


def machines() -> Iterator[Status]:
    """Every machine of this checkout, by name."""
    for file in sorted(paths.machines().glob("*/machine.json")):
        yield _known(file)


def _known(file: Path) -> Status:
    return Status(file.parent.name, _holder(file.parent) is not None, json.loads(file.read_text()))


def least_used(processors: Sequence[int], taken: Sequence[int | None]) -> int:
    """The processor that the fewest machines hold, the lowest of several."""
    return min(processors, key=lambda processor: (taken.count(processor), processor))


def status(name: str) -> Status:
    file = paths.machine(name) / "machine.json"
    if file.exists():
        return _known(file)
    raise VmError(
        f"cannot find machine '{name}': there is none; see the names with 'list', or bring it up with 'up {name}'"
    )


def ssh_command(name: str) -> list[str]:
    return ["ssh", "-F", str(paths.machine(name) / "ssh_config"), name]


def console(name: str) -> str:
    """The last lines of a machine's console."""
    try:
        text = (paths.machine(name) / "console.log").read_text(errors="replace")
    except FileNotFoundError:
        return "(no console output)"
    return "\n".join(text.splitlines()[-_CONSOLE_LINES:])


def _running(name: str) -> Status:
    known = status(name)
    if not known.running:
        raise VmError(f"cannot reach {name}: it has ended; bring it up again with 'up {name}'")
    return known


def _write_access(folder: Path, name: str, port: int, key: Path) -> None:
    """The files by which ssh and Ansible find the machine."""
    options = {
        "HostName": "127.0.0.1",
        "Port": port,
        "User": "root",
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 10,
        "LogLevel": "ERROR",
        # Every machine of an image has the same host key, on changing ports of loopback.
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
    }
    lines = [f"Host {name}", *(f"  {option} {value}" for option, value in options.items())]
    (folder / "ssh_config").write_text("\n".join(lines) + "\n")
    host = {
        "ansible_host": name,
        "ansible_ssh_common_args": f"-F {folder / 'ssh_config'}",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    inventory = {"workspace_hosts": {"hosts": {name: host}}}
    # JSON is YAML, and needs no library.
    (folder / "inventory.yml").write_text(json.dumps(inventory, indent=2) + "\n")


def _start(name: str, engine: Engine, listener: socket.socket, owner: int | None) -> subprocess.Popen[bytes]:
    folder = paths.machine(name)
    command = [sys.executable, str(Path(__file__).parent), "supervise", name]
    if owner is not None:
        command += ["--owner", str(owner)]
    inherited: tuple[int, ...] = ()
    if engine.in_namespace:
        own_network = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
        command = [*own_network, *command, "--listen-fd", str(listener.fileno())]
        inherited = (listener.fileno(),)
    with (folder / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            start_new_session=True,
        )
    listener.close()
    return process


def _wait_for_boot(name: str, supervisor: subprocess.Popen[bytes], seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while not _ssh_output(name, "true; echo up"):
        if supervisor.poll() is not None:
            log = (paths.machine(name) / "supervisor.log").read_text().strip()
            raise VmError(f"cannot boot {name}: the engine ended; its console and log follow\n{console(name)}\n{log}")
        _check_time(name, deadline)
        time.sleep(0.2)
    _wait_for_systemd(name, deadline)


def _wait_for_systemd(name: str, deadline: float) -> None:
    state = _ssh_output(name, "systemctl is-system-running --wait || true", max(5.0, deadline - time.monotonic()))
    if state != "running":
        failed = _ssh_output(name, "systemctl list-units --failed --no-legend --plain; systemctl list-jobs --no-legend")
        raise VmError(f"cannot boot {name}: systemd says '{state}'\n{failed}\n{console(name)}")


def _check_time(name: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise VmError(f"cannot boot {name}: no answer over ssh in time; its console says\n{console(name)}")


def _ssh_output(name: str, command: str, seconds: float = 15) -> str:
    """What a command prints in the machine; empty where it cannot be reached."""
    try:
        done = subprocess.run(
            [*ssh_command(name), command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _holder(folder: Path) -> int | None:
    """The supervisor's process id, or None: it holds the lock as long as it lives, so a reused id cannot deceive."""
    try:
        with (folder / "lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read().strip()
                return int(text) if text else None
    except FileNotFoundError:
        return None
    return None


def run_ssh(name: str, command: Sequence[str]) -> int:
    """A shell in the machine, or one command; the exit status is the command's."""
    _running(name)
    return subprocess.run([*ssh_command(name), *command]).returncode
