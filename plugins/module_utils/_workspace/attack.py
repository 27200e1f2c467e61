# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Runs probes against a workspace container, each followed by its control in a plain one that is thrown away."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from . import kernel, names, normal
from .driver import Driver
from .errors import WorkspaceError
from .probe import Figures, Impossible, Probe, Surroundings, Trial, read_trial
from .probes.metadata_contact import METADATA

# Counters in which the kernel keeps account of the limits that were hit.
_EVENT_FILES = ("memory.events", "pids.events")
_NOT_RUN = {"status": "not run", "succeeded": False}


def attack(driver: Driver, conversation_id: str, probes: Sequence[Probe], *, control: bool) -> dict[str, Any]:
    """The verdicts by probe. Nothing that was made is left behind."""
    name = names.container(conversation_id)
    container = driver.container(name)
    if container is None or not container["State"]["Running"]:
        raise WorkspaceError(f"cannot probe container {name}: it does not run; start it with workspace_container")
    if not names.is_ours(container["Config"].get("Labels"), conversation_id):
        raise WorkspaceError(f"cannot probe container {name}: it does not have our labels, so it is not ours to attack")
    surroundings = _surroundings(driver, container)
    return {probe.id: _verdict(driver, container, probe, surroundings, control=control) for probe in probes}


def _verdict(
    driver: Driver, container: Mapping[str, Any], probe: Probe, surroundings: Surroundings, *, control: bool
) -> dict[str, Any]:
    figures = probe.figures(surroundings)
    result: dict[str, Any] = {"layer": probe.layer, "title": probe.title, "references": list(probe.references)}
    if isinstance(figures, Impossible):
        not_run = {**_NOT_RUN, "evidence": f"not run: {figures.reason}"}
        return {**result, "blocked": False, "evidence": not_run["evidence"], "control": not_run, "proven": False}
    trial = _inside(driver, container, probe, figures)
    if not control:
        compared: dict[str, Any] = {**_NOT_RUN, "evidence": "not run: the task said control: false"}
    elif obstacle := probe.control_obstacle(surroundings, figures):
        compared = {**_NOT_RUN, "evidence": f"not run: {obstacle}"}
    else:
        plain = _in_plain_container(driver, container, probe, figures)
        compared = {"status": "run", "succeeded": plain.succeeded is True, "evidence": plain.evidence}
    # A probe that did not report has blocked nothing.
    blocked = trial.succeeded is False
    proven = blocked and compared["succeeded"]
    return {**result, "blocked": blocked, "evidence": trial.evidence, "control": compared, "proven": proven}


def _inside(driver: Driver, container: Mapping[str, Any], probe: Probe, figures: Figures) -> Trial:
    name = str(container["Name"]).lstrip("/")
    group = kernel.cgroup_directory(int(container["State"]["Pid"]))
    before = kernel.read_counters(group, _EVENT_FILES)
    trial = read_trial(*driver.execute(name, probe.command(figures), user=probe.user))
    after = kernel.read_counters(group, _EVENT_FILES)
    risen = [f"{counter} +{after[counter] - before.get(counter, 0)}" for counter in sorted(after)]
    hit = [text for text in risen if not text.endswith("+0")]
    evidence = "; ".join([trial.evidence, *hit])
    now = driver.container(name)
    if now is None or not now["State"]["Running"] or now["Id"] != container["Id"]:
        raise WorkspaceError(
            f"cannot go on probing container {name}: it did not survive the probe {probe.id} ({evidence}); "
            "start it again with workspace_container"
        )
    return Trial(succeeded=trial.succeeded, evidence=evidence)


def _in_plain_container(driver: Driver, container: Mapping[str, Any], probe: Probe, figures: Figures) -> Trial:
    name = f"ws-control-{probe.id.replace('_', '-')}-{secrets.token_hex(4)}"
    labels = {names.PROBE: probe.id}
    host_config: dict[str, Any] = {"NetworkMode": "none", **probe.control_host_config}
    if probe.control_volume:
        driver.create_volume(name, {}, labels)
        host_config["Mounts"] = [{"Type": "volume", "Source": name, "Target": names.WORKSPACE}]
    payload = {
        "Image": container["Image"],
        "Entrypoint": [],
        "Cmd": probe.command(figures),
        "User": probe.user or container["Config"]["User"],
        "Labels": labels,
        "HostConfig": host_config,
    }
    try:
        driver.create(name, payload)
        driver.start(name)
        status = driver.wait(name, probe.timeout + 15)
        return read_trial(status, driver.log(name))
    finally:
        driver.remove(name)
        if probe.control_volume:
            driver.remove_volume(name)


def _surroundings(driver: Driver, container: Mapping[str, Any]) -> Surroundings:
    limits = container["HostConfig"]
    volume = driver.volume(names.workspace_volume(container["Config"]["Labels"][names.CONVERSATION]))
    size = ((volume or {}).get("Options") or {}).get("size", "")
    root = os.statvfs(driver.host()["DockerRootDir"])
    return Surroundings(
        pids=normal.number(limits.get("PidsLimit")) or None,
        memory=normal.number(limits.get("Memory")) or None,
        workspace=int(size) if size.isdigit() else None,
        host_memory=kernel.available_memory(),
        host_disk=root.f_bavail * root.f_frsize,
        metadata_answers=_answers(*METADATA),
    )


def _answers(address: str, port: int) -> bool:
    with closing(socket.socket()) as connection:
        connection.settimeout(2)
        return connection.connect_ex((address, port)) == 0
