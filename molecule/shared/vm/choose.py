# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine runs the machines here: chosen by booting a kernel under each, because a device node proves nothing.

``/dev/kvm`` may open, answer, and then fail at the first instruction of a stock kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from vm import paths
from vm.bake import Image
from vm.engines import ENGINES, Engine
from vm.errors import VmError

OVERRIDE = "BULKHEAD_VM_ENGINE"

# A kernel that gets so far has set up memory, interrupts and drivers; no disk was given to it.
_BOOTED = b"Unable to mount root fs"
# QEMU stops the machine with this and waits for a debugger.
_BROKEN = b"KVM internal error"
_PROBE_SECONDS = 25


@dataclass(frozen=True)
class Choice:
    """The engine and the reason, in words for the user."""

    engine: Engine
    why: str


def choose(image: Image, without: str | None = None) -> Choice:
    """The engine named in the environment, else the fastest that boots this image's kernel on this machine.

    :param without: an engine that cannot do what the machine is for, or None.
    """
    wanted = os.environ.get(OVERRIDE)
    if wanted:
        return Choice(engine_named(wanted), f"{OVERRIDE} says so")
    remembered = _Memory(image, without)
    choice = remembered.read()
    if choice is None:
        choice = _first_that_boots(image, without)
        remembered.write(choice)
    return choice


def engine_named(name: str) -> Engine:
    for engine in ENGINES:
        if engine.name == name:
            return engine
    names = ", ".join(engine.name for engine in ENGINES)
    raise VmError(f"cannot use engine '{name}': unknown; set {OVERRIDE} to one of: {names}")


def _first_that_boots(image: Image, without: str | None) -> Choice:
    reasons: list[str] = []
    for engine in ENGINES:
        if engine.name == without:
            continue
        failure = _try(engine, image)
        if failure is None:
            return Choice(engine, "; ".join([*reasons, f"{engine.name} boots the kernel"]))
        reasons.append(f"{engine.name} does not: {failure}")
    raise VmError(f"cannot choose an engine: {'; '.join(reasons)}; install qemu-system-x86 or run 'make setup'")


def _try(engine: Engine, image: Image) -> str | None:
    """None where the kernel booted, else why not."""
    if engine.name == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm cannot be opened"
    with tempfile.NamedTemporaryFile() as console:
        try:
            process = subprocess.Popen(engine.probe(image), stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        except FileNotFoundError as missing:
            return f"{missing.filename} is not installed"
        try:
            return _verdict(process, Path(console.name))
        finally:
            process.kill()
            process.wait()


def _verdict(process: subprocess.Popen[bytes], console: Path) -> str | None:
    deadline = time.monotonic() + _PROBE_SECONDS
    while True:
        ended = process.poll() is not None or time.monotonic() > deadline
        output = console.read_bytes()
        if _BOOTED in output:
            return None
        if ended or _BROKEN in output:
            words = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
            return f"the kernel did not boot ({words[0][:100]})" if words else "the kernel said nothing"
        time.sleep(0.1)


class _Memory:
    """The choice is remembered until the next boot of this machine, a probe costs seconds."""

    def __init__(self, image: Image, without: str | None) -> None:
        self._file = paths.HOME / (f"engine-without-{without}.json" if without else "engine.json")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._key = f"{boot} {image.folder.name}"

    def read(self) -> Choice | None:
        try:
            known = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return Choice(engine_named(known["engine"]), known["why"]) if known.get("key") == self._key else None

    def write(self, choice: Choice) -> None:
        self._file.write_text(json.dumps({"key": self._key, "engine": choice.engine.name, "why": choice.why}, indent=1))
