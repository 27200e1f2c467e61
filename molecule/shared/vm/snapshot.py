# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's disk as it was at one moment: a copy of its overlay, taken and put back while the engine is down."""

from __future__ import annotations

import signal
from enum import Enum

from vm.engines import Machine
from vm.shell import run


class DiskAct(Enum):
    """What a supervisor does between two boots; the value is the signal that asks it to."""

    SAVE = signal.SIGUSR1
    RESTORE = signal.SIGUSR2


def perform(act: DiskAct, machine: Machine) -> None:
    """Copy the overlay aside, or the copy back; the engine must not run."""
    saved = machine.folder / "overlay.saved"
    source, target = (machine.overlay, saved) if act is DiskAct.SAVE else (saved, machine.overlay)
    run(f"{act.name.lower()} the disk", ["cp", "--sparse=always", "--reflink=auto", str(source), str(target)])
