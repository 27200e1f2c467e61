# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo says while it runs, and how it runs other programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_TASK = re.compile(r"^TASK \[(?:bulkhead\.workspace\.)?(?P<name>.+?)\]")
_LAST_WORDS = 40
_TICK_SECONDS = 10


class DemoError(Exception):
    """A step that did not do what it must; the text says which, why and where to look."""


def step(text: str) -> None:
    """Announce a step in one line."""
    print(f"\n== {text}", flush=True)


def note(text: str) -> None:
    print(f"   {text}", flush=True)


def run(act: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program with its output in a log file, showing how far it is; returns what it printed.

    :param act: what is done, for the error: ``cannot ACT: ...``.
    """
    began = time.monotonic()
    shown = began
    tasks = 0
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(environment or {})},
    )
    assert process.stdout is not None
    try:
        with log.open("w") as file:
            for line in process.stdout:
                file.write(line)
                lines.append(line)
                found = _TASK.match(line)
                tasks += found is not None
                if found and (sys.stdout.isatty() or time.monotonic() - shown > _TICK_SECONDS):
                    shown = time.monotonic()
                    _progress(f"{shown - began:4.0f} s, task {tasks}: {found['name']}")
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        if sys.stdout.isatty():
            print("\r\033[K", end="")
    if status != 0:
        words = "".join(lines[-_LAST_WORDS:])
        raise DemoError(f"cannot {act}: '{Path(command[0]).name}' ended with {status}; log: {log}\n{words}")
    note(f"done in {time.monotonic() - began:.0f} s")
    return "".join(lines)


def _progress(text: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K   {text[:100]}", end="", flush=True)
    else:
        note(text)
