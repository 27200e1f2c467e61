# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reads the kernel's account of a container: /proc, /sys/fs/cgroup, quotas. Reads only; layers.py judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from .._mountinfo import own_mounts, parse_mounts
from . import quota
from .errors import WorkspaceError
from .facts import Facts, Process, Quota, SecretSearch

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
CGROUP_FILES = ("cpu.max", "memory.max", "memory.swap.max", "pids.max")
PROC = Path("/proc")
CGROUP_ROOT = Path("/sys/fs/cgroup")


def text_of(path: Path) -> str:
    """A file of the kernel's. Programs name themselves and their files with any bytes, so it need not be UTF-8."""
    return path.read_text(errors="replace")


def read_facts(pid: int, mountpoints: Mapping[str, str], secrets: SecretSearch | None = None) -> Facts:
    """All facts of the container whose first process is `pid`; mountpoints are host paths by target."""
    process = PROC / str(pid)
    try:
        group = cgroup_directory(pid)
        mounts = parse_mounts(text_of(process / "mountinfo"))
        return Facts(
            processes=tuple(read_processes(container_pids(pid))),
            namespaces=_namespaces(process),
            host_namespaces=_namespaces(PROC / "self"),
            uid_map=parse_id_map(text_of(process / "uid_map")),
            cgroup=None if group is None else _cgroup(group),
            swap_in_kernel=len(text_of(PROC / "swaps").splitlines()) > 1,
            mounts=mounts,
            interfaces=parse_interfaces(text_of(process / "net/dev")),
            routes=len(text_of(process / "net/route").splitlines()[1:]),
            quotas=_quotas(mountpoints),
            owners={target: Path(path).stat().st_uid for target, path in mountpoints.items()},
            secrets=secrets,
        )
    except (FileNotFoundError, ProcessLookupError) as error:
        raise WorkspaceError(
            f"cannot read the kernel's account of process {pid}: {error}; the container may have stopped meanwhile"
        ) from error
    except PermissionError as error:
        raise WorkspaceError(
            f"cannot read the kernel's account of process {pid}: {error}; run the task as root on the Docker host"
        ) from error


def cgroup_directory(pid: int) -> Path | None:
    """The container's cgroup v2 directory; None on a host that still has version 1."""
    lines = text_of(PROC / str(pid) / "cgroup").splitlines()
    unified = [line[3:] for line in lines if line.startswith("0::")]
    if not unified or not (CGROUP_ROOT / "cgroup.controllers").exists():
        return None
    return CGROUP_ROOT / unified[0].lstrip("/")


def read_counters(group: Path | None, files: Iterable[str]) -> dict[str, int]:
    """Event counters of a cgroup, such as "pids.events max"; none on a host with cgroup version 1."""
    found: dict[str, int] = {}
    if group is None:
        return found
    for name in files:
        for line in text_of(group / name).splitlines():
            key, _separator, value = line.partition(" ")
            found[f"{name} {key}"] = int(value)
    return found


def at_rest(pid: int, fewest: int) -> bool:
    """Whether the container has at least so many processes, and each of them waits for something."""
    states = [state for state in (_state(member) for member in _members(pid)) if state not in ("", "Z", "X")]
    return len(states) >= fewest and set(states) <= {"S", "I"}


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not waiting to be buried."""
    return _state(pid) not in ("", "Z", "X")


def _state(pid: int) -> str:
    try:
        # The name in parentheses may hold anything; the state follows the last one.
        return text_of(PROC / str(pid) / "stat").rpartition(") ")[2][:1]
    except OSError:
        return ""


def _members(pid: int) -> list[int]:
    """The processes of a container, on a host with cgroup version 1 too."""
    try:
        if cgroup_directory(pid) is not None:
            return container_pids(pid)
        found = [pid]
        for member in found:
            found += [int(child) for child in text_of(PROC / f"{member}/task/{member}/children").split()]
    except OSError:
        return []
    return found


def available_memory() -> int:
    """Bytes that the host can still give out."""
    fields = parse_status(text_of(PROC / "meminfo"))
    return int(fields["MemAvailable"].split()[0]) * 1024


def container_pids(pid: int) -> list[int]:
    """Every process of the container, its first one included."""
    group = cgroup_directory(pid)
    if group is None:
        return [pid]
    found = {pid}
    for members in [group / "cgroup.procs", *group.glob("**/cgroup.procs")]:
        found.update(int(line) for line in text_of(members).split())
    return sorted(found)


def read_processes(pids: Iterable[int]) -> Iterable[Process]:
    """What the kernel says of each process; one that ends while it is looked at is left out."""
    for pid in pids:
        directory = PROC / str(pid)
        try:
            status = parse_status(text_of(directory / "status"))
            if status.get("State", "").startswith("Z"):
                continue
            yield Process(
                pid=pid,
                status=status,
                apparmor=read_apparmor(directory),
                environment=parse_environment((directory / "environ").read_bytes()),
            )
        except (FileNotFoundError, ProcessLookupError):
            continue


def read_apparmor(process: Path) -> str:
    """The confinement of a process; empty where the kernel has no AppArmor."""
    for name in ("attr/apparmor/current", "attr/current"):
        try:
            return text_of(process / name).strip("\n\0 ")
        except OSError:
            continue
    return ""


def parse_status(text: str) -> dict[str, str]:
    """/proc/PID/status as an object."""
    return {key: value.strip() for key, _separator, value in (line.partition(":") for line in text.splitlines())}


def parse_environment(content: bytes) -> dict[str, str]:
    """/proc/PID/environ as an object."""
    entries = content.decode(errors="replace").split("\0")
    return dict(entry.partition("=")[::2] for entry in entries if "=" in entry)


def parse_id_map(text: str) -> tuple[tuple[int, int, int], ...]:
    """Rows of a uid_map: first id inside, first id on the host, how many."""
    rows = [tuple(int(part) for part in line.split()) for line in text.splitlines()]
    return tuple((row[0], row[1], row[2]) for row in rows)


def parse_interfaces(text: str) -> tuple[str, ...]:
    """Names in /proc/PID/net/dev."""
    return tuple(sorted(line.partition(":")[0].strip() for line in text.splitlines() if ":" in line))


def loaded_apparmor_profiles(path: Path = Path("/sys/kernel/security/apparmor/profiles")) -> dict[str, str] | None:
    """Loaded profiles and their modes; None where the kernel has no AppArmor."""
    try:
        lines = text_of(path).splitlines()
    except FileNotFoundError:
        return None
    return {name: mode.rstrip(")") for name, _separator, mode in (line.rpartition(" (") for line in lines)}


def _namespaces(process: Path) -> dict[str, str]:
    return {name: str((process / "ns" / name).readlink()) for name in NAMESPACES}


def _cgroup(group: Path) -> dict[str, str]:
    return {name: text_of(group / name).strip() for name in CGROUP_FILES if (group / name).exists()}


def _quotas(mountpoints: Mapping[str, str]) -> dict[str, Quota]:
    own = own_mounts()
    return {target: quota.read(Path(path), own) for target, path in mountpoints.items()}
