# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM program with real machines: side by side, rebooted, interrupted, and ended with their owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "molecule" / "shared" / "vm"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


def vm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def inside(name: str, command: str) -> str:
    done = vm("ssh", name, "--", command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def running() -> list[str]:
    """Names of the machines that run, from the program's own list."""
    return [line.split()[0] for line in vm("list").stdout.splitlines() if line.split()[1] == "running"]


def processes_of(name: str) -> list[str]:
    """Command lines that name the machine's folder, from the kernel."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/machines/{name}/" in command or f"supervise {name}" in command:
            found.append(command)
    return found


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[str, str]]:
    names = ("t-one", "t-two")
    started = [subprocess.Popen([sys.executable, str(PROGRAM), "up", name, "--memory", "1024"]) for name in names]
    try:
        assert [process.wait() for process in started] == [0, 0]
        yield names
    finally:
        for name in names:
            vm("down", name)
        assert [processes_of(name) for name in names] == [[], []]


def test_two_machines_run_side_by_side_on_disks_of_their_own(pair: tuple[str, str]) -> None:
    one, two = pair
    assert {one, two} <= set(running())
    inside(one, "echo mine > /root/mark")
    assert inside(two, "ls /root/mark 2>&1; true").endswith("No such file or directory")
    facts = [json.loads(vm("status", name).stdout) for name in pair]
    assert facts[0]["port"] != facts[1]["port"]


def test_a_machine_is_bare_and_healthy(pair: tuple[str, str]) -> None:
    one, _ = pair
    assert inside(one, "systemctl is-system-running") == "running"
    assert inside(one, "test -e /var/lib/docker || echo bare") == "bare"
    assert "apparmor" in inside(one, "cat /sys/kernel/security/lsm")


def test_a_reboot_keeps_the_disk_and_is_waited_for(pair: tuple[str, str]) -> None:
    one, _ = pair
    inside(one, "echo kept > /root/kept && sync")
    before = inside(one, BOOT_ID)
    done = vm("reboot", one)
    assert done.returncode == 0, done.stderr
    assert inside(one, BOOT_ID) != before
    assert inside(one, "cat /root/kept") == "kept"


def test_a_saved_disk_comes_back(pair: tuple[str, str]) -> None:
    one, _ = pair
    refused = vm("restore", one)
    assert refused.returncode == 1 and f"save {one}" in refused.stderr
    inside(one, "echo kept > /root/saved")
    saved = vm("save", one)
    assert saved.returncode == 0, saved.stderr
    inside(one, "rm /root/saved && touch /root/later && sync")
    restored = vm("restore", one)
    assert restored.returncode == 0, restored.stderr
    assert inside(one, "cat /root/saved; ls /root/later 2>&1 || true").startswith("kept\nls: cannot access")


def test_a_machine_that_powers_off_is_seen_as_ended(pair: tuple[str, str]) -> None:
    _, two = pair
    vm("ssh", two, "--", "systemctl --no-block poweroff")
    assert eventually(lambda: two not in running())
    assert vm("status", two).returncode == 3
    refused = vm("ssh", two, "--", "true")
    assert refused.returncode == 1 and f"up {two}" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_boot_leaves_nothing(number: signal.Signals) -> None:
    # A shell's background jobs, which the tests may be one of, hand down that an interrupt is to be ignored.
    heeding = ["env", "--default-signal=INT,TERM", sys.executable, str(PROGRAM)]
    process = subprocess.Popen([*heeding, "up", "t-cut"], stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: processes_of("t-cut") != [])
        process.send_signal(number)
        assert process.wait() == 130
        assert eventually(lambda: processes_of("t-cut") == [])
    finally:
        vm("down", "t-cut")


def test_a_machine_ends_with_its_owner() -> None:
    owner = subprocess.Popen(["sleep", "600"])
    try:
        done = vm("up", "t-owned", "--memory", "1024", "--owner", str(owner.pid))
        assert done.returncode == 0, done.stderr
        assert "log in with: ssh " in done.stderr
        # Killed, so that it can clear up nothing itself.
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        assert eventually(lambda: processes_of("t-owned") == [])
    finally:
        owner.kill()
        vm("down", "t-owned")


def test_a_machine_that_does_not_boot_shows_its_console() -> None:
    # Too little memory for a kernel: the engine ends at once.
    done = vm("up", "t-tiny", "--memory", "8")
    assert done.returncode == 1
    assert "cannot boot t-tiny" in done.stderr and "console" in done.stderr
    assert processes_of("t-tiny") == []
    vm("down", "t-tiny")
