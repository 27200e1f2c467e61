# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, recognising and ending background processes, by number and start time, never by name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# radosgw at times ignores SIGTERM while its lifecycle thread works, and nothing here is worth saving.
GRACE_SECONDS = 0.5


class HarnessError(Exception):
    """Told to the user in one sentence: 'cannot ACT OBJECT: cause; what to do'."""


@dataclass(frozen=True)
class Process:
    """A process that this harness started; the start time tells it from a later one with the same number."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            _wait_until_gone(self)


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, in clock ticks since boot; None for a process that is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return None if fields[0] == "Z" else int(fields[19])


def _wait_until_gone(process: Process) -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    while process.alive and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        time.sleep(0.02)


def start(argv: Sequence[str], log: Path) -> Process:
    """In a session of its own, so that an interrupt at the terminal reaches only the harness, which then cleans up."""
    with log.open("ab") as stream:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, close_fds=True
        )
    started = _start_time(child.pid)
    if started is None:
        raise HarnessError(f"cannot start {argv[0]}: it ended at once; see {log}")
    return Process(child.pid, started)


def run(argv: Sequence[str], *, seconds: float, environment: dict[str, str] | None = None) -> str:
    """A command that must succeed in time; its output."""
    try:
        done = subprocess.run(
            argv,
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise HarnessError(f"cannot run {argv[0]}: it is not installed; run `make setup`") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"cannot run {' '.join(argv)}: no end after {seconds:g} s; run it by hand") from error
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout).strip().splitlines()[-3:]
        raise HarnessError(f"cannot run {' '.join(argv)}: exit {error.returncode}, {' / '.join(words)}") from error
    return done.stdout
