# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The defences, and how each is switched off in a container that is made to be attacked and thrown away.

A defence is what somebody could forget or misspell: one line of the container's specification, one setting of the host.
Switching off changes a draft of Docker's create request. What Docker cannot switch off alone says so in `implies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Shaped like a key of the model API, and worth nothing.
FAKE_CREDENTIAL = "sk-ant-probe-" + "0" * 40


@dataclass(kw_only=True)
class Draft:
    """A create request on its way. `foreign` is a host directory with things that belong to nobody inside."""

    config: dict[str, Any]
    host: dict[str, Any]
    volumes: dict[str, str] = field(default_factory=dict)
    limit_files: bool = True
    neighbour: str = ""
    foreign: Path = Path()

    def security(self, name: str, value: str) -> None:
        """Replaces one of the security options."""
        options = [entry for entry in self.host.get("SecurityOpt") or [] if not entry.startswith(name)]
        self.host["SecurityOpt"] = [*options, f"{name}={value}"]

    def memory_file_systems(self, change: Callable[[list[str]], list[str]]) -> None:
        """Changes the mount options of every memory file system."""
        table = self.host.get("Tmpfs") or {}
        self.host["Tmpfs"] = {path: ",".join(change(flags.split(","))) for path, flags in table.items()}

    def bind(self, source: Path | str, target: str) -> None:
        """Mounts something of the host."""
        self.host["Binds"] = [*(self.host.get("Binds") or []), f"{source}:{target}"]


@dataclass(frozen=True, kw_only=True)
class Defence:
    """One of them. `setting` is the option or variable that switches it on."""

    id: str
    layer: str
    title: str
    setting: str
    off: Callable[[Draft], None]
    implies: tuple[str, ...] = ()


def _set(**values: Any) -> Callable[[Draft], None]:
    return lambda draft: draft.host.update(values)


def _flag(old: str, new: str) -> Callable[[Draft], None]:
    return lambda draft: draft.memory_file_systems(lambda flags: [entry for entry in flags if entry != old] + [new])


def _run_programs(draft: Draft) -> None:
    _flag("noexec", "exec")(draft)
    # Docker's own /dev/shm can be made executable only by putting another one in its place.
    size = draft.host.get("ShmSize") or 64 << 20
    draft.host["Tmpfs"] = {**(draft.host.get("Tmpfs") or {}), "/dev/shm": f"rw,exec,nosuid,nodev,size={size}"}


def _without_option(prefix: str) -> Callable[[Draft], None]:
    return lambda draft: draft.memory_file_systems(
        lambda flags: [entry for entry in flags if not entry.startswith(prefix)]
    )


def _large_shared_memory(draft: Draft) -> None:
    draft.host["ShmSize"] = 1 << 30
    if "/dev/shm" in (draft.host.get("Tmpfs") or {}):
        draft.host["Tmpfs"]["/dev/shm"] = draft.host["Tmpfs"]["/dev/shm"].rpartition(",size=")[0]


def _share_name(draft: Draft) -> None:
    draft.host["UTSMode"] = "host"
    draft.config.pop("Hostname", None)


def _start_as_root(draft: Draft) -> None:
    draft.config["User"] = "0:0"


def _unlimited_volumes(draft: Draft) -> None:
    draft.volumes = dict.fromkeys(draft.volumes, "")


def _unlimited_files(draft: Draft) -> None:
    draft.limit_files = False


def _foreign_mounts(draft: Draft) -> None:
    draft.bind("/var/run/docker.sock", "/run/docker.sock")
    draft.bind(draft.foreign / "neighbour", "/workspace/.foreign")


def _foreign_device(draft: Draft) -> None:
    # Under a user namespace, runc can give a device only under the name that it has on the host.
    draft.host["Devices"] = [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "rw"}]


def _host_network(draft: Draft) -> None:
    draft.config.pop("NetworkDisabled", None)
    draft.host.update(NetworkMode="host", UsernsMode="host")


def _open_proxy(draft: Draft) -> None:
    mounts = [entry for entry in draft.host.get("Mounts") or [] if entry["Target"] != "/run/proxy"]
    draft.host["Mounts"] = [
        *mounts,
        {"Type": "bind", "Source": str(draft.foreign / "open"), "Target": "/run/proxy", "ReadOnly": True},
    ]


def _leave_credential(draft: Draft) -> None:
    draft.config["Env"] = [*(draft.config.get("Env") or []), f"ANTHROPIC_API_KEY={FAKE_CREDENTIAL}"]
    draft.bind(draft.foreign / "credential", "/workspace/.credential")


_ROWS = (
    ("user", "L1", "the user is not root", "workspace_container: user", _start_as_root),
    ("pid_namespace", "L1", "own processes", "workspace_container: pid_mode (fixed)", None),
    (
        "ipc_namespace",
        "L1",
        "own shared memory",
        "workspace_container: ipc_mode (fixed)",
        _set(IpcMode="host", UsernsMode="host"),
    ),
    (
        "uts_namespace",
        "L1",
        "own host name",
        "workspace_container: uts_mode (fixed)",
        _share_name,
    ),
    (
        "cgroup_namespace",
        "L1",
        "own view of cgroups",
        "workspace_container: cgroupns_mode (fixed)",
        _set(CgroupnsMode="host"),
    ),
    (
        "capabilities",
        "L1",
        "four capabilities at most",
        "workspace_container: capabilities",
        _set(CapDrop=[], CapAdd=["ALL"]),
    ),
    (
        "unprivileged",
        "L1",
        "never privileged",
        "workspace_container: privileged (fixed)",
        _set(Privileged=True, UsernsMode="host"),
    ),
    (
        "masked_paths",
        "L1",
        "files of the kernel covered",
        "workspace_container: unmasked_paths (fixed)",
        _set(MaskedPaths=[]),
    ),
    (
        "readonly_paths",
        "L1",
        "settings of the kernel read-only",
        "workspace_container: writable_proc_paths (fixed)",
        _set(ReadonlyPaths=[]),
    ),
    ("devices", "L1", "no device of the host", "workspace_container: devices (fixed)", _foreign_device),
    (
        "mounts",
        "L1",
        "nothing of the host or of others mounted",
        "workspace_container: binds, volumes_from (fixed)",
        _foreign_mounts,
    ),
    (
        "seccomp",
        "L2",
        "allowlist of system calls",
        "workspace_container: seccomp_profile",
        lambda draft: draft.security("seccomp", "unconfined"),
    ),
    (
        "apparmor",
        "L2",
        "AppArmor profile",
        "workspace_container: apparmor_profile",
        lambda draft: draft.security("apparmor", "unconfined"),
    ),
    (
        "no_new_privileges",
        "L2",
        "no program raises privileges",
        "workspace_container: security_opt (fixed)",
        lambda draft: draft.security("no-new-privileges", "false"),
    ),
    ("pids_limit", "L3", "limit of processes", "workspace_container: pids_limit", _set(PidsLimit=-1)),
    ("memory_limit", "L3", "limit of memory", "workspace_container: memory", _set(Memory=0, MemorySwap=0)),
    ("swap_limit", "L3", "no swap", "workspace_container: memory_swap (fixed)", _set(MemorySwap=-1)),
    ("cpu_quota", "L3", "limit of processor time", "workspace_container: cpu_quota", _set(CpuQuota=0, CpuPeriod=0)),
    ("volume_quota", "L3", "limit of disk", "workspace_container: disk_limit, xfs_quota", _unlimited_volumes),
    (
        "volume_inodes",
        "L3",
        "limit of files on the disk",
        "workspace_container: disk_limit, venv_size (a file for each 16 KiB)",
        _unlimited_files,
    ),
    ("network_none", "L4", "no network", "workspace_container: network", _host_network),
    (
        "proxy_policy",
        "L4",
        "the proxy opens nothing but its routes",
        "credential_proxy: credential_proxy_routes",
        _open_proxy,
    ),
    ("read_only_root", "L5", "read-only root", "workspace_container: read_only_root", _set(ReadonlyRootfs=False)),
    ("noexec", "L5", "no programs on memory file systems", "workspace_container: tmpfs (noexec fixed)", _run_programs),
    (
        "nosuid",
        "L5",
        "no set-user-id on memory file systems",
        "workspace_container: tmpfs (nosuid fixed)",
        _flag("nosuid", "suid"),
    ),
    (
        "nodev",
        "L5",
        "no devices on memory file systems",
        "workspace_container: tmpfs (nodev fixed)",
        _flag("nodev", "dev"),
    ),
    ("tmpfs_size", "L5", "size of memory file systems", "workspace_container: tmpfs[].size", _without_option("size=")),
    ("shm_size", "L5", "size of shared memory", "workspace_container: shm_size", _large_shared_memory),
    (
        "credentials_outside",
        "L6",
        "no credential inside",
        "credential_proxy: credential_proxy_credentials",
        _leave_credential,
    ),
    ("userns", "L7", "root inside is nobody outside", "docker_userns: docker_userns_enabled", _set(UsernsMode="host")),
)

_IMPLIES = {
    # Docker takes a limit of swap only together with one of memory.
    "memory_limit": ("swap_limit",),
    # Both are limits of one project quota.
    "volume_quota": ("volume_inodes",),
    # Docker or runc refuses these under a user namespace.
    "ipc_namespace": ("userns", "shm_size"),
    # Privileged switches profiles off, too, even where they are asked for.
    "unprivileged": ("userns", "capabilities", "masked_paths", "readonly_paths", "devices", "seccomp", "apparmor"),
    "network_none": ("userns",),
}


def _join_neighbour(draft: Draft) -> None:
    draft.host["PidMode"] = f"container:{draft.neighbour}"


DEFENCES: dict[str, Defence] = {
    name: Defence(
        id=name, layer=layer, title=title, setting=setting, off=off or _join_neighbour, implies=_IMPLIES.get(name, ())
    )
    for name, layer, title, setting, off in _ROWS
}


def closed_over(names: Iterable[str]) -> frozenset[str]:
    """The set with everything that goes off together with it."""
    found = set(names)
    for name in tuple(found):
        found.update(DEFENCES[name].implies)
    return frozenset(found)


def switch_off(draft: Draft, names: Iterable[str]) -> None:
    """Switches defences off in a draft, in the order of the table."""
    for name, defence in DEFENCES.items():
        if name in set(names):
            defence.off(draft)
