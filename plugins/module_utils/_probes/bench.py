# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Containers made for attacks: created from a draft, attacked, and in any case removed with all that is theirs."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import kernel, names, quota_mend
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError

from . import interpreter, standins
from .defences import Draft
from .probe import ROOT, Figures, Probe, program
from .verdict import FAILED, Trial

_COUNTERS = ("memory.events", "pids.events", "cpu.stat")
_SHOWN = {"memory.events oom_kill", "memory.events max", "pids.events max", "cpu.stat nr_throttled"}
# What the watcher grants beyond the sum of all acts' own times.
_GRACE_SECONDS = 20
_QUESTION_SECONDS = 60
_EVIDENCE_LENGTH = 4000
_TOKEN = re.compile(r"[0-9a-f]{8}")
_PREFIX = "ws-probe-"


@contextmanager
def thrown_away(driver: Driver, draft: Draft, token: str) -> Iterator[str]:
    """A running container inside the block; it and its volumes are gone after it."""
    name = f"{_PREFIX}{token}-{secrets.token_hex(2)}"
    labels = {names.PROBE: token}
    volumes = {target: f"{name}-{number}" for number, target in enumerate(draft.volumes)}
    mounts = [entry for entry in draft.host.get("Mounts") or [] if entry["Target"] not in volumes]
    mounts += [{"Type": "volume", "Source": volume, "Target": target} for target, volume in volumes.items()]
    payload = {**draft.config, "Labels": labels, "HostConfig": {**draft.host, "Mounts": mounts}}
    try:
        made = {}
        for target, volume in volumes.items():
            size = draft.volumes[target]
            made[target] = driver.create_volume(volume, {"size": size} if size else {}, labels)
        driver.create(name, payload)
        # With the container, Docker has given the volumes projects, which limit bytes only.
        for target, size in draft.volumes.items():
            if size and draft.limit_files:
                quota_mend.ensure(Path(made[target]["Mountpoint"]), int(size))
        driver.start(name)
        yield name
    finally:
        driver.remove(name)
        for volume in volumes.values():
            driver.remove_volume(volume)


def fits(driver: Driver, name: str, token: str) -> bool:
    """Whether the image of a running container has a python3 that can run acts."""
    try:
        with _bounded(token, _QUESTION_SECONDS):
            return "fit" in driver.execute(name, interpreter.image_question(token))[1]
    except WorkspaceError:
        return False


def clear_up(driver: Driver) -> None:
    """Removes what runs that were killed half-way have left: their containers, their volumes, their stand-ins."""
    # An image may carry the label, too, with any text for a token.
    ours = [name for name in driver.container_ids(label=names.PROBE) if name.startswith(_PREFIX)]
    left = {name: driver.container(name) for name in ours}
    volumes = driver.volumes(label=names.PROBE)
    for name, container in left.items():
        labels = (container or {}).get("Config", {}).get("Labels") or {}
        token = labels.get(names.PROBE, "") if _TOKEN.fullmatch(labels.get(names.PROBE, "")) else ""
        if names.MANAGED in labels or (token and standins.is_running(token)):
            continue
        driver.remove(name)
        if token:
            standins.forget(token)
    for name, volume in volumes.items():
        if name.startswith(_PREFIX) and not standins.is_running((volume.get("Labels") or {}).get(names.PROBE, "")):
            driver.remove_volume(name)


class Bench:
    """Runs acts inside a container, as any user, in one program for each user, and watches from outside."""

    def __init__(self, driver: Driver, name: str, token: str, user: str, *, fit: bool) -> None:
        self._driver, self._name, self._token, self._user = driver, name, token, user
        # Whether the image has a python3 for acts; else the host's is carried in.
        self.fit = fit
        # What the kernel inside calls itself; empty until something ran.
        self.kernel = ""
        # Whether root there holds every capability of the bounding set; so it is taken to be until root ran.
        self.whole_root = True

    def attack(self, probes: Mapping[str, tuple[Probe, Figures]]) -> dict[str, Trial]:
        """The outcomes by probe."""
        groups: dict[str, dict[str, tuple[Probe, Figures]]] = {}
        for probe_id, entry in probes.items():
            groups.setdefault(entry[0].user, {})[probe_id] = entry
        trials: dict[str, Trial] = {}
        with self._ready() as command:
            for user, group in groups.items():
                ordered = sorted(group.items(), key=lambda item: item[1][0].heavy)
                trials.update(self._run(dict(ordered), "" if user == "default" else user or self._user, command))
        return trials

    def _run(self, group: Mapping[str, tuple[Probe, Figures]], user: str, command: Any) -> dict[str, Trial]:
        batch = [
            {
                "id": probe_id,
                "act": probe.act.__name__,
                "figures": figures,
                "timeout": probe.timeout,
                "alone": probe.alone,
            }
            for probe_id, (probe, figures) in group.items()
        ]
        source = program(probe for probe, _figures in group.values())
        limit = sum(probe.timeout for probe, _figures in group.values()) + _GRACE_SECONDS
        with self._counted() as counted, _bounded(self._token, limit):
            status, output = self._driver.execute(self._name, command(source, json.dumps(batch)), user=user)
        greeting = read_greeting(output)
        self.kernel = str(greeting.get("kernel") or self.kernel)
        if user == ROOT:
            self.whole_root = bool(greeting.get("whole", True))
        return read_trials(group, status, output, counted)

    @contextmanager
    def _counted(self) -> Iterator[dict[str, int]]:
        """The limits that the kernel says were hit meanwhile."""
        group = kernel.cgroup_directory(self._pid())
        risen: dict[str, int] = {}
        before = kernel.read_counters(group, _COUNTERS)
        yield risen
        after = kernel.read_counters(group, _COUNTERS) if group is not None and group.exists() else before
        risen.update({key: after[key] - before.get(key, 0) for key in _SHOWN & after.keys()})

    @contextmanager
    def _ready(self) -> Iterator[Any]:
        """How a program is run inside; an interpreter that had to be carried there is gone after the block."""
        if self.fit:
            yield partial(interpreter.image_command, self._token)
            return
        outside = self._workspace() / f".bulkhead-probe-{self._token}-python"
        outside.mkdir(mode=0o755)
        try:
            relative = interpreter.carry(outside)
            inside = f"{names.WORKSPACE}/{outside.name}"
            yield partial(interpreter.carried_command, self._token, inside, relative)
        finally:
            shutil.rmtree(outside)

    def _workspace(self) -> Path:
        # A mount point of the container's own, so nobody inside can make it lead elsewhere.
        return Path(f"/proc/{self._pid()}/root{names.WORKSPACE}")

    def _pid(self) -> int:
        container = self._driver.container(self._name)
        if container is None or not container["State"]["Running"]:
            raise WorkspaceError(
                f"cannot go on probing container {self._name}: it stopped; see 'docker logs {self._name}' and start it "
                "again with workspace_container"
            )
        return int(container["State"]["Pid"])


def read_greeting(output: str) -> dict[str, Any]:
    """What a batch's first line says: the kernel's name, and whether its user holds the whole bounding set."""
    try:
        return dict(json.loads(output.partition("\n")[0]))
    except (ValueError, TypeError):
        return {}


def read_trials(
    group: Mapping[str, Any], status: int | None, output: str, counted: Mapping[str, int]
) -> dict[str, Trial]:
    """Reads a batch's lines. No report is no proof of anything."""
    lines, told = output.strip().splitlines(), set()
    said = lines[-1][:200] if lines else "nothing"
    trials = dict.fromkeys(
        group, Trial(outcome=FAILED, evidence=f"the act did not report: exit status {status}, last words {said!r}")
    )
    hit = "; ".join(f"{name} +{value}" for name, value in sorted(counted.items()) if value)
    for line in lines:
        try:
            entry = json.loads(line)
            probe, evidence = group[entry["id"]][0], _clean(entry["evidence"])
            if probe.heavy and probe.layer == "L3" and hit:
                evidence += f" (kernel's counters: {hit})"
            trial = Trial(outcome=str(entry["outcome"]), evidence=evidence, seconds=float(entry["seconds"]))
            if entry["id"] in told:
                # An act reports once; whoever else runs as its user can write into its pipe.
                trial = Trial(outcome=FAILED, evidence="more than one report: something else has answered, too")
            told.add(entry["id"])
            trials[entry["id"]] = trial
        except (ValueError, KeyError, TypeError):
            continue
    return trials


def _clean(evidence: object) -> str:
    """What an act says it saw, such as names of files, as a text that can be written."""
    return str(evidence).encode("utf-8", "replace").decode()[:_EVIDENCE_LENGTH]


@contextmanager
def _bounded(token: str, seconds: float) -> Iterator[None]:
    """Ends what is left of the batch from outside: when its time is over, and in any case at the end."""
    timer = threading.Timer(seconds, end_all, (token,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        end_all(token)


def end_all(token: str) -> list[int]:
    """Kills every process on the host that carries the token of the run; returns their numbers."""
    found = []
    mark = f"bulkhead-probe-{token}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark in (entry / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def sweep(pid: int, directories: Sequence[str], token: str) -> list[str]:
    """Removes files that acts left in mount points of a container; returns what there was."""
    found = []
    for directory in directories:
        top = Path(f"/proc/{pid}/root{directory}")
        try:
            left = [entry for entry in top.iterdir() if entry.name.startswith(f".bulkhead-probe-{token}")]
        except OSError:
            continue
        for path in left:
            found.append(f"{directory}/{path.name}")
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return found
