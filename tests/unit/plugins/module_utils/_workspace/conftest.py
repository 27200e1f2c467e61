# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makers of requests, specifications, host states and kernel facts; the facts are those of a real container."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import parse_mounts
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import kernel
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.expectation import Expectation
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.facts import Facts, Process, Quota
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.options import OPTIONS
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.request import build_request
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.specification import Image, Specification

SECCOMP = '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}'
IMAGE = Image(
    id="sha256:" + "a" * 64,
    environment={"PATH": "/opt/venv/bin:/usr/bin:/bin"},
    entrypoint=("/usr/local/bin/workspace-entrypoint",),
    command=("sleep", "infinity"),
)
Params = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def params() -> Params:
    """The options of a task as Ansible hands them over: defaults, and what the test sets."""

    def make(**given: Any) -> dict[str, Any]:
        defaults = {option.name: option.argument.get("default") for option in OPTIONS if option.argument is not None}
        return {**defaults, "conversation_id": "demo", "image": "bulkhead/workspace:demo", **given}

    return make


@pytest.fixture(scope="session")
def specify(params: Params) -> Callable[..., Specification]:
    """A specification for the options of a task."""

    def make(**given: Any) -> Specification:
        request = build_request(params(**given))
        return Specification(request=request, image=IMAGE, seccomp=SECCOMP if request.seccomp_profile else None)

    return make


@pytest.fixture(scope="session")
def inspected() -> Callable[..., dict[str, Any]]:
    """Docker's answer to an inspection, made from the create request that it was given."""

    def make(payload: Mapping[str, Any], status: str = "running") -> dict[str, Any]:
        host_config = {**payload["HostConfig"], "MaskedPaths": None, "ReadonlyPaths": None}
        mounts = [
            {
                "Type": mount["Type"],
                "Name": mount["Source"],
                "Source": mount["Source"],
                "Destination": mount["Target"],
                "RW": not mount.get("ReadOnly", False),
            }
            for mount in host_config["Mounts"]
        ]
        return {
            "Id": "c" * 64,
            "Name": "/ws-demo",
            "Image": IMAGE.id,
            "State": {"Status": status, "Running": status == "running", "Pid": 4711},
            "Config": {key: value for key, value in payload.items() if key != "HostConfig"},
            "HostConfig": host_config,
            "Mounts": mounts,
            "NetworkSettings": {"Networks": {host_config["NetworkMode"]: {}}},
        }

    return make


@pytest.fixture(scope="session")
def expected() -> Expectation:
    """What the production defaults ask for."""
    return Expectation(
        runtime="runc",
        capabilities=frozenset({"CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE"}),
        seccomp=True,
        apparmor="workspace-container",
        cpu=(200000, 100000),
        memory=2147483648,
        pids=256,
        network="none",
        read_only_root=True,
        tmpfs=frozenset({"/tmp", "/var/tmp", "/run", "/home/appuser", "/home/appuser/.cache"}),
        executable_tmpfs=frozenset(),
        volumes={"/workspace": 4 << 30, "/opt/venv": 1 << 30},
        proxy=False,
    )


@pytest.fixture(scope="session")
def facts() -> Callable[..., Facts]:
    """The facts of a container with production defaults, read from a Debian 13 host, and what the test changes."""
    status = {"Uid": "101000\t101000\t101000\t101000", "CapBnd": "00000000000000c3", "Seccomp": "2", "NoNewPrivs": "1"}
    process = Process(pid=2277, status=status, apparmor="workspace-container (enforce)", environment={"HOME": "/"})
    kinds = kernel.NAMESPACES
    sample = Path(__file__).parent / "samples" / "mountinfo.txt"
    good = Facts(
        processes=(process, replace(process, pid=2290)),
        namespaces={kind: f"{kind}:[{4026532000 + index}]" for index, kind in enumerate(kinds)},
        host_namespaces={kind: f"{kind}:[{4026531800 + index}]" for index, kind in enumerate(kinds)},
        uid_map=((0, 100000, 65536),),
        cgroup={
            "cpu.max": "200000 100000",
            "memory.max": "2147483648",
            "memory.swap.max": "0",
            "pids.max": "256",
        },
        swap_in_kernel=False,
        mounts=parse_mounts(sample.read_text()),
        interfaces=("lo",),
        routes=0,
        quotas={
            "/workspace": Quota(project=2, limit=4 << 30, used=0),
            "/opt/venv": Quota(project=3, limit=1 << 30, used=12 << 20),
        },
        owners={"/workspace": 101000, "/opt/venv": 101000},
    )

    def make(**changes: Any) -> Facts:
        return replace(good, **changes)

    return make
