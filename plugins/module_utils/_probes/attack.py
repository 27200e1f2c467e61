# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Attacks a conversation's container, and the controls: plain containers in which every act must succeed."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import own_mounts
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import kernel, names, normal, quota
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError

from . import apparmor, bench, drafts, verdict
from .defences import closed_over, switch_off
from .probe import APPARMOR_4, WHOLE_ROOT, Figures, Impossible, Probe, Surroundings
from .standins import StandIns, standing_in
from .toolkit import kernel_name

METADATA = ("169.254.169.254", 80)
_REST = ("/usr/bin/env", "python3", "-c", "import time; time.sleep(900)")


def attack(
    driver: Driver,
    conversation_id: str,
    probes: Sequence[Probe],
    *,
    control: bool,
    throwaway: bool = False,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """The verdicts by probe, and how the neighbours fared. Nothing that was made is left behind."""
    container = _own_container(driver, conversation_id)
    bench.clear_up(driver)
    before = _neighbours(driver, container["Id"])
    with standing_in(secrets.token_hex(4)) as standins:
        around = surroundings(driver, container, standins)
        figures = {probe.id: probe.measured(around) for probe in probes}
        possible = {
            probe.id: (probe, found) for probe in probes if not isinstance(found := figures[probe.id], Impossible)
        }
        if throwaway or without:
            inside, place = _in_copy(driver, container, around, standins, possible, closed_over(without))
        else:
            inside, place = _in_place(driver, container, around, possible)
        if place.whole_root:
            around = replace(around, features=around.features | {WHOLE_ROOT})
        controls = _in_plain_containers(driver, container, around, standins, possible, fit=place.fit) if control else {}
    verdicts = {}
    for probe in (probe.here(around) for probe in probes):
        found = figures[probe.id]
        if isinstance(found, Impossible):
            verdicts[probe.id] = verdict.impossible(probe, found.reason)
        else:
            compared = controls.get(probe.id, verdict.NO_CONTROL)
            kind = drafts.control_of(probe.defences)
            trial = verdict.of_runtime(probe, inside[probe.id], place.kernel, kernel_name())
            verdicts[probe.id] = verdict.verdict(probe, trial, compared, kind)
    return {
        "attacks": verdicts,
        "runtime": verdict.runtime(container["HostConfig"].get("Runtime") or "runc", place.kernel, kernel_name()),
        "neighbours": _compared(before, _neighbours(driver, container["Id"])),
    }


def _own_container(driver: Driver, conversation_id: str) -> dict[str, Any]:
    name = names.container(conversation_id)
    container = driver.container(name)
    if container is None or not container["State"]["Running"]:
        raise WorkspaceError(f"cannot probe container {name}: it does not run; start it with workspace_container")
    if not names.is_ours(container["Config"].get("Labels"), conversation_id):
        raise WorkspaceError(f"cannot probe container {name}: it does not have our labels, so it is not ours to attack")
    return container


def _in_place(
    driver: Driver,
    container: Mapping[str, Any],
    around: Surroundings,
    probes: Mapping[str, tuple[Probe, Figures]],
) -> tuple[dict[str, verdict.Trial], bench.Bench]:
    name = str(container["Name"]).lstrip("/")
    if not bench.fits(driver, name, around.token):
        raise WorkspaceError(
            f"cannot probe container {name} itself: no python3 answered in it, and one of the host's is carried into "
            "copies only; set throwaway: true"
        )
    place = bench.Bench(driver, name, around.token, around.user, fit=True)
    trials = place.attack(probes)
    now = driver.container(name)
    if now is None or not now["State"]["Running"] or now["Id"] != container["Id"]:
        raise WorkspaceError(
            f"cannot vouch for container {name}: it did not survive; start it again with workspace_container"
        )
    bench.sweep(int(now["State"]["Pid"]), [*around.volumes, *around.tmpfs], around.token)
    return trials, place


def _in_copy(
    driver: Driver,
    container: Mapping[str, Any],
    around: Surroundings,
    standins: StandIns,
    probes: Mapping[str, tuple[Probe, Figures]],
    off: frozenset[str],
) -> tuple[dict[str, verdict.Trial], bench.Bench]:
    sizes = {target: str(size or "") for target, size in around.volumes.items()}
    draft = drafts.clone(container, sizes, standins.foreign)
    switch_off(draft, off)
    with bench.thrown_away(driver, draft, around.token) as name:
        fit = bench.fits(driver, name, around.token)
        place = bench.Bench(driver, name, around.token, around.user, fit=fit)
        return place.attack(probes), place


def _in_plain_containers(
    driver: Driver,
    container: Mapping[str, Any],
    around: Surroundings,
    standins: StandIns,
    probes: Mapping[str, tuple[Probe, Figures]],
    *,
    fit: bool,
) -> dict[str, verdict.Trial]:
    groups: dict[str, dict[str, tuple[Probe, Figures]]] = {}
    for probe_id, (probe, figures) in probes.items():
        there = replace(probe, user=probe.control_user or probe.user)
        groups.setdefault(drafts.control_of(probe.defences), {})[probe_id] = (there, figures)
    trials: dict[str, verdict.Trial] = {}
    for kind, group in groups.items():
        # The image's own program is all that is known to run where there is no python3.
        program = _REST if fit else [*(container["Config"]["Entrypoint"] or []), *(container["Config"]["Cmd"] or [])]
        draft = drafts.plain(kind, container, program, standins.foreign)
        with bench.thrown_away(driver, draft, around.token) as name:
            trials.update(bench.Bench(driver, name, around.token, around.user, fit=fit).attack(group))
    return trials


def surroundings(driver: Driver, container: Mapping[str, Any], standins: StandIns) -> Surroundings:
    """The figures of the container's limits and of the host, asked from Docker's inspection and from the kernel."""
    limits = container["HostConfig"]
    root = os.statvfs(driver.host()["DockerRootDir"])
    share, period = normal.number(limits.get("CpuQuota")), normal.number(limits.get("CpuPeriod")) or 100000
    table = normal.options(limits.get("Tmpfs"))
    mounts = container.get("Mounts") or []
    return Surroundings(
        user=container["Config"]["User"] or "0:0",
        capabilities=tuple(normal.capabilities(limits.get("CapAdd"))),
        pids=normal.number(limits.get("PidsLimit")) or None,
        memory=normal.number(limits.get("Memory")) or None,
        cpu=share / period if share else None,
        volumes={
            mount["Destination"]: _volume_size(driver, mount["Name"]) for mount in mounts if mount["Type"] == "volume"
        },
        tmpfs={
            "/dev/shm": normal.number(limits.get("ShmSize")) or None,
            **{path: _option(flags, "size") for path, flags in table.items()},
        },
        files={
            mount["Destination"]: quota.read(Path(mount["Source"]), own_mounts()).files
            for mount in mounts
            if mount["Type"] == "volume"
        },
        host_name=os.uname().nodename,
        host_cpus=len(os.sched_getaffinity(0)),
        host_memory=kernel.available_memory(),
        host_disk=root.f_bavail * root.f_frsize,
        host_swap=_free_swap(),
        metadata_answers=_answers(*METADATA),
        token=standins.token,
        tcp=standins.tcp,
        udp=standins.udp,
        abstract=standins.abstract,
        proxy=any(mount["Destination"] == names.PROXY_MOUNT for mount in mounts),
        features=frozenset({APPARMOR_4} if apparmor.refuses_user_namespaces(container["AppArmorProfile"]) else ()),
    )


def _volume_size(driver: Driver, name: str) -> int | None:
    size = ((driver.volume(name) or {}).get("Options") or {}).get("size", "")
    return int(size) if size.isdigit() else None


def _option(flags: str, name: str) -> int | None:
    found = [entry.partition("=")[2] for entry in flags.split(",") if entry.startswith(f"{name}=")]
    return int(found[0]) if found and found[0].isdigit() else None


def _free_swap() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("SwapFree:")), 0)


def _answers(address: str, port: int) -> bool:
    with closing(socket.socket()) as connection:
        connection.settimeout(2)
        return connection.connect_ex((address, port)) == 0


def _neighbours(driver: Driver, own: str) -> dict[str, tuple[str, int]]:
    """The other conversations: who runs, and as which process."""
    return {
        str(entry["Name"]).lstrip("/"): (entry["State"]["Status"], int(entry["State"]["Pid"]))
        for entry in driver.managed_containers()
        if entry["Id"] != own
    }


def _compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    harmed = sorted(name for name, state in before.items() if after.get(name) != state)
    return {"watched": len(before), "harmed": harmed}
