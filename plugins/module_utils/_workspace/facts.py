# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the kernel says of a running container, as plain values. kernel.py reads them, layers.py judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._mountinfo import Mount


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the container: /proc/PID/status, attr/current, environ."""

    pid: int
    status: Mapping[str, str]
    apparmor: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The project quota of a volume's directory, in bytes and files; limit None means that none is in force."""

    project: int
    limit: int | None
    used: int
    reason: str = ""
    files: int | None = None


@dataclass(frozen=True, kw_only=True)
class SecretSearch:
    """What a search for the credentials' bytes went through, and where it found any."""

    secrets: int
    processes: int
    files: int
    bytes_searched: int
    hits: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is known of one running container."""

    processes: tuple[Process, ...]
    namespaces: Mapping[str, str]
    host_namespaces: Mapping[str, str]
    uid_map: tuple[tuple[int, int, int], ...]
    cgroup: Mapping[str, str] | None
    swap_in_kernel: bool
    mounts: tuple[Mount, ...]
    interfaces: tuple[str, ...]
    routes: int
    quotas: Mapping[str, Quota]
    owners: Mapping[str, int]
    secrets: SecretSearch | None = None
