# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for faults on the test's own kernel: fast, and without power to cut or quotas to enforce."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from native_host import Host, host

from faults.machine import Machine


@dataclass(frozen=True)
class NativeMachine(Machine):
    """A native host in the clothes of a virtual machine."""

    host: Host
    modes: ClassVar[tuple[str, ...]] = ("kill", "play")

    @property
    def inventory(self) -> Path:
        return self.host.inventory

    def run(self, command: str, *, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return self.host.run(command, seconds=seconds)

    def disk(self, verb: str) -> None:
        disk, saved = self.host.folder / "disk", self.host.folder / "disk.saved"
        source, target = (disk, saved) if verb == "save" else (saved, disk)
        self.host.stop()
        if target.exists():
            shutil.rmtree(target)
        subprocess.run(["cp", "--archive", str(source), str(target)], check=True)
        self.host.start()


@contextmanager
def native_machine(name: str, release: str) -> Iterator[Machine]:
    """A fresh host that ends with the block."""
    with host(release) as running:
        yield NativeMachine(name, running)
