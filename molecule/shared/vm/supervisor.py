# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that holds one machine: it makes the network, runs the engine, and ends with its owner.

It runs in a session of its own (and, where the engine needs one, in a network namespace of its own) and keeps a lock on
the machine's folder for as long as the machine runs. Ending it ends the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from vm import paths, relay
from vm.bake import Image
from vm.choose import engine_named
from vm.engines import GUEST_ADDRESS, HOST_ADDRESS, TAP, Engine, Machine
from vm.shell import run
from vm.snapshot import DiskAct, perform

_STOP_SECONDS = 5
_RESTARTING = b"reboot: Restarting system"


class _Stop(Exception):
    """A signal asked for the end."""


class _Disk(Exception):
    """A signal asked for something to be done with the disk, and another boot."""

    def __init__(self, act: DiskAct) -> None:
        super().__init__(act.name)
        self.act = act


def supervise(name: str, *, listen_fd: int, owner: int | None) -> int:
    """Run a machine until it ends, a signal comes, or the owner process has gone.

    :param listen_fd: an inherited listening socket for ssh, or -1 where the engine forwards the port.
    :param owner: process id that the machine must not outlive.
    """
    folder = paths.machine(name)
    facts = json.loads((folder / "machine.json").read_text())
    engine = engine_named(facts["engine"])
    image = Image(folder.joinpath("image").resolve(), facts["release"])
    machine = Machine(
        folder=folder,
        port=facts["port"],
        memory_mib=facts["memory_mib"],
        cpu=facts["cpu"],
        disk=Path(facts["disk"]) if facts["disk"] else None,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    for act in DiskAct:
        signal.signal(act.value, _disk)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            if engine.in_namespace:
                _make_network()
                relay.serve(socket.socket(fileno=listen_fd), (GUEST_ADDRESS, 22))
            return _hold(engine, image, machine, owner)
        except _Stop:
            return 0
        finally:
            machine.overlay.unlink(missing_ok=True)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def _disk(number: int, _frame: FrameType | None) -> None:
    raise _Disk(DiskAct(number))


def _make_network() -> None:
    for step in (
        ["link", "set", "lo", "up"],
        ["tuntap", "add", TAP, "mode", "tap"],
        ["address", "add", f"{HOST_ADDRESS}/24", "dev", TAP],
        ["link", "set", TAP, "up"],
    ):
        run("make the machine's network", ["ip", *step])


def _hold(engine: Engine, image: Image, machine: Machine, owner: int | None) -> int:
    """Run the engine, and again after a disk act, or where the engine answers the guest's reboot by ending."""
    engine.overlay(image, machine)
    with (machine.folder / "console.log").open("wb") as console:
        while True:
            began = console.tell()
            try:
                status, owner_ended = _run_engine(engine.command(image, machine), console, owner)
            except _Disk as asked:
                perform(asked.act, machine)
                continue
            if owner_ended or not _asked_for_reboot(machine.folder / "console.log", began):
                return status
            console.seek(0, os.SEEK_END)


def _asked_for_reboot(console: Path, began: int) -> bool:
    """What the kernel says last before it restarts, at the level that no setting silences."""
    return _RESTARTING in console.read_bytes()[began:]


def _run_engine(command: Sequence[str], console: BinaryIO, owner: int | None) -> tuple[int, bool]:
    # The engine reads its console from a pipe that never ends: at end of file User-mode Linux would close its console.
    console_in, keep_open = os.pipe()
    process = subprocess.Popen(
        # The kernel ends the engine with this process, whatever ends this process.
        ["setpriv", "--pdeathsig", "SIGKILL", "--", *command],
        stdin=console_in,
        stdout=console,
        stderr=subprocess.STDOUT,
    )
    os.close(console_in)
    try:
        owner_ended = _wait(process, owner)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(keep_open)
    return process.returncode, owner_ended


def _wait(process: subprocess.Popen[bytes], owner: int | None) -> bool:
    """Wait for the engine or its owner to end; True where it was the owner."""
    poll = select.poll()
    engine_fd = os.pidfd_open(process.pid)
    owner_fd = -1
    try:
        if owner is not None:
            try:
                owner_fd = os.pidfd_open(owner)
            except ProcessLookupError:
                return True
            poll.register(owner_fd, select.POLLIN)
        poll.register(engine_fd, select.POLLIN)
        return any(fd == owner_fd for fd, _ in poll.poll())
    finally:
        os.close(engine_fd)
        if owner_fd != -1:
            os.close(owner_fd)
