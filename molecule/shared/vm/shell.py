# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs: as root where it must be, with their last words in the error where they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vm.errors import VmError

_LAST_WORDS = 15


def as_root(command: Sequence[str]) -> list[str]:
    """The command, through sudo for a plain user: baking needs real root, for device nodes and foreign owners."""
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def run(act: str, command: Sequence[str], *, cwd: Path | None = None) -> str:
    """Run a command quietly and return its output; a failure becomes ``cannot ACT: ...`` with its last lines."""
    try:
        done = subprocess.run(
            list(command),
            cwd=cwd,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except FileNotFoundError as missing:
        raise VmError(f"cannot {act}: {missing.filename} is not installed; run 'make setup'") from missing
    if done.returncode != 0:
        words = "\n  ".join(done.stdout.splitlines()[-_LAST_WORDS:])
        raise VmError(f"cannot {act}: '{' '.join(command[:3])} ...' ended with {done.returncode}:\n  {words}")
    return done.stdout
