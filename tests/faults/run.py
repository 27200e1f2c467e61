# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts every conversion short at every step, and looks whether the host keeps what the roles promise."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from faults.flows import FLOWS, Flow
from faults.machine import FaultError, Machine, machine
from faults.native import native_machine

_SHIM = Path(__file__).with_name("shim.sh")
_PROGRAMS = (
    "blkid",
    "cp",
    "fallocate",
    "groupadd",
    "losetup",
    "mkfs.xfs",
    "mount",
    "sync",
    "systemctl",
    "truncate",
    "umount",
    "useradd",
    "xfs_growfs",
)
_DOCKER_SECONDS = 90

Make = Callable[[str, str], AbstractContextManager[Machine]]


@dataclass(frozen=True)
class Point:
    """One place to cut: before the module's command of this number, or after the play's changing task of it.

    :ivar words: of the command; with the number 0 the first one that begins with them is meant.
    """

    flow: Flow
    mode: str
    number: int
    words: str = ""

    def __str__(self) -> str:
        place = f"after changing task {self.number}" if self.mode == "play" else f"before {self.words}"
        return f"{self.flow.name}: {self.mode} {place}"


class Walk:
    """One flow on one machine: points of it, one after another once the disk has been put back."""

    def __init__(self, host: Machine, flow: Flow, folder: Path) -> None:
        self.host = host
        self.flow = flow
        self.there = _playbook(folder / f"{flow.name}.yml", flow.role, flow.variables)
        host.check(flow.prepare)
        if flow.first is not None:
            self._finish(_playbook(folder / f"{flow.name}-first.yml", flow.role, flow.first), "what comes before")
        install_shims(host)
        self.before = host.check(flow.check)

    def points(self) -> list[Point]:
        """From one run without a fault: what the module calls, and how many tasks change something."""
        self._arm("none", "0")
        output = self._finish(self.there, "undisturbed")
        self.host.check(f"set -e; {self.flow.finished}")
        calls = self.host.check("cat /run/fault/log").splitlines()
        recap = re.search(r"changed=(\d+)", output)
        tasks = int(recap[1]) if recap else 0
        found = [
            Point(self.flow, mode, number, words)
            for mode in self.host.modes
            if mode != "play"
            for number, words in enumerate(calls, 1)
        ]
        return found + [Point(self.flow, "play", number) for number in range(1, tasks)]

    def cut(self, point: Point) -> None:
        """One fault, and everything that must be so afterwards."""
        boot = self.host.boot_id()
        if point.mode == "play":
            self._arm("none", "0")
        else:
            self._arm(point.mode, str(point.number or point.words))
        self.host.play(self.there, kill_after=point.number if point.mode == "play" else 0)
        if point.mode == "power":
            self.host.wait_for_boot(boot)
        elif point.mode == "kill":
            self.host.check("test ! -e /run/fault/mode")
        self._docker_runs(point)
        self._same(point, "after the fault")
        self._arm("none", "0")
        self._finish(self.there, f"{point}, in the second run")
        self.host.check(f"set -e; {self.flow.finished}")
        self._same(point, "after the second run")

    def _finish(self, play: Path, what: str) -> str:
        done = self.host.play(play)
        if done.returncode != 0:
            raise FaultError(f"{what}: the play does not finish:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _arm(self, mode: str, at: str) -> None:
        self.host.check(f"rm -rf /run/fault; mkdir /run/fault; echo {at} >/run/fault/at; echo {mode} >/run/fault/mode")

    def _docker_runs(self, point: Point) -> None:
        deadline = time.monotonic() + _DOCKER_SECONDS
        while self.host.run("systemctl is-active docker && docker info").returncode != 0:
            if time.monotonic() > deadline:
                words = self.host.run(
                    "systemctl status docker var-lib-docker.mount; journalctl -n 40 --no-pager"
                ).stdout
                raise FaultError(f"{point}: Docker does not run:\n{words}")
            time.sleep(1)

    def _same(self, point: Point, moment: str) -> None:
        now = self.host.check(self.flow.check)
        if now != self.before:
            raise FaultError(f"{point}: {moment} the list differs:\n{self.before}\n--- now\n{now}")


def _playbook(file: Path, role: str, variables: dict[str, object]) -> Path:
    role_entry = {"role": f"bulkhead.workspace.{role}", "vars": variables}
    play = {"hosts": "all", "become": True, "gather_facts": False, "roles": [role_entry]}
    file.write_text(json.dumps([play]))
    return file


def install_shims(host: Machine) -> None:
    host.check(
        f"printf %s {shlex.quote(_SHIM.read_text())} >/usr/local/bin/fault-shim; chmod 755 /usr/local/bin/fault-shim"
    )
    host.check(f"cd /usr/local/bin; for one in {' '.join(_PROGRAMS)}; do ln -sf fault-shim $one; done")


def chosen(points: Sequence[Point], flow: Flow, *, representative: bool) -> Iterator[Point]:
    """All points, or the few that stand for the rest."""
    for point in points:
        wanted = any(
            point.mode == mode and (str(point.number) == words if mode == "play" else point.words.startswith(words))
            for mode, words in flow.representative
        )
        if wanted or not representative:
            yield point


def run(make: Make, release: str, flows: Sequence[Flow], *, representative: bool) -> tuple[int, list[str]]:
    """How many points were tried on machines of this make, and what went wrong at which."""
    tried, wrong = 0, []
    for flow in flows:
        with make("faults", release) as host, tempfile.TemporaryDirectory() as folder:
            walk = Walk(host, flow, Path(folder))
            host.disk("save")
            for point in chosen(walk.points(), flow, representative=representative):
                tried += 1
                began = time.monotonic()
                try:
                    host.disk("restore")
                    walk.cut(point)
                    words = "ok"
                except FaultError as error:
                    wrong.append(str(error))
                    words = f"FAILED: {error}\n"
                print(f"{time.monotonic() - began:4.0f} s  {point}  {words}", flush=True)
    return tried, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", choices=["trixie", "bookworm"], default="trixie")
    parser.add_argument("--flow", action="append", choices=[flow.name for flow in FLOWS])
    parser.add_argument("--representative", action="store_true", help="only a few points that stand for the rest")
    parser.add_argument("--native", action="store_true", help="on this machine's kernel: no power cuts, userns only")
    options = parser.parse_args()
    flows = [flow for flow in FLOWS if options.flow is None or flow.name in options.flow]
    if options.native and [flow.name for flow in flows] != ["userns"]:
        parser.error("--native has no project quotas, so it needs --flow userns")
    make = native_machine if options.native else machine
    tried, wrong = run(make, options.release, flows, representative=options.representative)
    print(f"faults: {tried} points tried on {options.release}, {len(wrong)} failed")
    return 1 if wrong or not tried else 0


if __name__ == "__main__":
    raise SystemExit(main())
