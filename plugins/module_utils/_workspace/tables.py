# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The longer cells of the option table: parsers of structured options, and values made of several of them."""

from __future__ import annotations

import re
from typing import Any

from . import names, parse
from .specification import Specification, Tmpfs

# The table of the deployment guide. /workspace is a volume by default and so is not here.
DEFAULT_TMPFS: list[dict[str, Any]] = [
    {"path": "/tmp", "size": "512m"},
    {"path": "/var/tmp", "size": "256m"},
    {"path": "/run", "size": "64m", "mode": "0755", "owned": True},
    {"path": "/home/appuser", "size": "128m", "mode": "0700", "owned": True},
    {"path": "/home/appuser/.cache", "size": "512m", "mode": "0700", "owned": True},
]

# A memory file system over one of these would hide programs, or what the kernel says of the container.
_NOT_FOR_TMPFS = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
_TAKEN = (names.WORKSPACE, names.VENV, names.PROXY_MOUNT)
_MODE = re.compile(r"[01]?[0-7]{3}")


def required_size(value: str) -> int:
    """A size that cannot be switched off."""
    found = parse.size(value)
    if found is None:
        raise ValueError("may not be empty; write for example 512M")
    return found


def period(value: int) -> int:
    """A scheduler period within the kernel's bounds."""
    if not 1000 <= value <= 1000000:
        raise ValueError(f"{value} is outside the kernel's bounds; write 1000 to 1000000 microseconds")
    return value


def seconds(value: int) -> int:
    """A time that somebody is willing to wait."""
    if not 0 <= value <= 600:
        raise ValueError(f"{value} is no sensible time; write 0 to 600 seconds")
    return value


def tmpfs(value: list[dict[str, Any]]) -> tuple[Tmpfs, ...]:
    """The table of memory file systems."""
    result: dict[str, Tmpfs] = {}
    for index, entry in enumerate(value):
        where = f"[{index}] {entry['path']}"
        path = parse.path(entry["path"])
        if any(path == root or path.startswith(root + "/") for root in _NOT_FOR_TMPFS):
            raise ValueError(f"{where}: a memory file system there would hide a part of the system")
        if path in _TAKEN:
            raise ValueError(f"{where}: this path belongs to the workspace; see workspace_storage and proxy")
        if path in result:
            raise ValueError(f"{where}: this path is listed twice")
        mode = entry.get("mode") or "1777"
        if not _MODE.fullmatch(mode):
            raise ValueError(f"{where}: {mode!r} is no mode, or has setuid bits; write for example 0700")
        result[path] = Tmpfs(path=path, size=required_size(entry["size"]), mode=mode, owned=bool(entry.get("owned")))
    return tuple(result.values())


def labels(specification: Specification) -> dict[str, str]:
    """Whose container it is, and after how many seconds the reaper may take it."""
    request = specification.request
    spans = {names.EXPIRES_AFTER: request.expires_after, names.IDLE_AFTER: request.idle_after}
    return {
        **names.labels(request.conversation_id),
        **{label: str(seconds) for label, seconds in spans.items() if seconds is not None},
    }


def entrypoint(specification: Specification) -> list[str]:
    """The image's entrypoint, unless the task brings a command of its own."""
    return [] if specification.request.command else list(specification.image.entrypoint)


def command(specification: Specification) -> list[str]:
    """The task's command, or the image's."""
    return list(specification.request.command or specification.image.command)


def environment(specification: Specification) -> list[str]:
    """The whole environment as Docker takes it."""
    return [f"{key}={content}" for key, content in sorted(specification.environment.items())]


def security_options(specification: Specification) -> list[str]:
    """no-new-privileges always; the profiles unless their option is empty."""
    result = ["no-new-privileges:true"]
    if specification.seccomp is not None:
        result.append(f"seccomp={specification.seccomp}")
    if specification.request.apparmor_profile is not None:
        result.append(f"apparmor={specification.request.apparmor_profile}")
    return result


def cpu_period(specification: Specification) -> int:
    """A period makes sense only together with a quota."""
    return specification.request.cpu_period if specification.request.cpu_quota else 0


def memory_and_swap(specification: Specification) -> int:
    """Memory and swap together, in bytes: one byte of swap, which the kernel rounds down to no page.

    The same figure for both, Docker's way to say "no swap", makes runc write a limit of 0 that systemd does not know.
    After ``systemctl daemon-reload`` the next start of any unit puts back what systemd knows, and the container may
    swap (systemd 257, runc 1.1.15). One byte is a limit that systemd is told.
    """
    memory = specification.request.memory
    return memory + 1 if memory else 0


def without_network(specification: Specification) -> bool:
    """Whether Docker need not set up anything; the empty network that the runtime makes is all there shall be."""
    request = specification.request
    return request.network == "none" and request.runtime in names.LOOPBACK_RUNTIMES


def mounts(specification: Specification) -> list[dict[str, Any]]:
    """The volumes, and read-only /etc/hosts and the proxy's directory: a directory, so that a new socket shows up."""
    request = specification.request
    result: list[dict[str, Any]] = [
        {"Type": "volume", "Source": volume.name, "Target": volume.target} for volume in request.volumes
    ]
    if without_network(specification):
        result.append(_read_only(names.HOSTS_FILE, "/etc/hosts"))
    if request.proxy_source:
        result.append(_read_only(request.proxy_source, names.PROXY_MOUNT))
    return result


def _read_only(source: str, target: str) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": source,
        "Target": target,
        "ReadOnly": True,
        "BindOptions": {"Propagation": "rprivate"},
    }


def mount_points(specification: Specification) -> list[dict[str, Any]]:
    """The same mounts in the shape in which Docker reports them."""
    return [
        {
            "Type": entry["Type"],
            "Name": entry["Source"],
            "Source": entry["Source"],
            "Destination": entry["Target"],
            "RW": not entry.get("ReadOnly", False),
        }
        for entry in mounts(specification)
    ]


def tmpfs_options(specification: Specification) -> dict[str, str]:
    """Mount options by path."""
    request = specification.request
    return {entry.path: entry.mount_options(request.user) for entry in request.all_tmpfs}
