# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a container was asked to be, read from Docker's create request or its answer to an inspection (same shape).

layers.py holds the kernel's facts against it. None stands for "no limit was asked for", which never counts as enforced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import names, normal


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The figures that the kernel shall confirm."""

    runtime: str
    capabilities: frozenset[str]
    seccomp: bool
    apparmor: str | None
    cpu: tuple[int, int] | None
    memory: int | None
    pids: int | None
    network: str
    read_only_root: bool
    tmpfs: frozenset[str]
    executable_tmpfs: frozenset[str]
    volumes: Mapping[str, int | None]
    proxy: bool


def expectation(
    host_config: Mapping[str, Any], volume_sizes: Mapping[str, int | None], default_runtime: str = "runc"
) -> Expectation:
    """Reads a HostConfig; volume sizes by target come from the volumes themselves."""
    security = normal.security_options(host_config.get("SecurityOpt"))
    tmpfs = normal.options(host_config.get("Tmpfs"))
    quota, period = normal.number(host_config.get("CpuQuota")), normal.number(host_config.get("CpuPeriod"))
    return Expectation(
        runtime=host_config.get("Runtime") or default_runtime,
        capabilities=frozenset(normal.capabilities(host_config.get("CapAdd"))),
        seccomp=str(security.get("seccomp", "")).startswith("sha256:"),
        apparmor=security.get("apparmor"),
        cpu=(quota, period or 100000) if quota else None,
        memory=normal.number(host_config.get("Memory")) or None,
        pids=normal.number(host_config.get("PidsLimit")) or None,
        network=host_config.get("NetworkMode") or "default",
        read_only_root=bool(host_config.get("ReadonlyRootfs")),
        tmpfs=frozenset(tmpfs),
        executable_tmpfs=frozenset(path for path, flags in tmpfs.items() if "noexec" not in flags.split(",")),
        volumes=dict(volume_sizes),
        proxy=names.PROXY_MOUNT in normal.mounts(host_config.get("Mounts")),
    )
