# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The option table. From its rows come the argument specification, the normalised values, Docker's create
and update requests, and the comparison with a live container.

A row with `argument` is an option that users set. A row without is an invariant: a value that no option can
change, listed so that it is sent, and compared with the live container, like every other one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import names, normal, parse, tables
from .field import Field, unchanged
from .specification import Specification


@dataclass(frozen=True, kw_only=True)
class Option:
    """A row: the user's side (argument, environment variable, parser) and Docker's side (fields)."""

    name: str
    argument: dict[str, Any] | None = None
    parse: Callable[[Any], Any] = unchanged
    variable: str | None = None
    fields: tuple[Field, ...] = ()


def _host(
    name: str,
    key: str,
    wanted: Callable[[Specification], Any],
    shape: Callable[[Any], Any] = unchanged,
    *,
    updatable: bool = False,
) -> Field:
    return Field(name=name, path=("HostConfig", key), wanted=wanted, normal=shape, updatable=updatable)


def _config(
    name: str, key: str, wanted: Callable[[Specification], Any], shape: Callable[[Any], Any] = unchanged
) -> Field:
    return Field(name=name, path=("Config", key), wanted=wanted, normal=shape)


def _constant(name: str, key: str, value: Any, shape: Callable[[Any], Any]) -> Option:
    return Option(name=name, fields=(_host(name, key, lambda _specification: value, shape),))


OPTIONS: tuple[Option, ...] = (
    Option(
        name="conversation_id",
        argument={"type": "str"},
        parse=parse.conversation_id,
        fields=(_config("labels", "Labels", tables.labels, normal.our_labels),),
    ),
    Option(
        name="image",
        argument={"type": "str"},
        parse=parse.image,
        fields=(
            _config("image_reference", "Image", lambda s: s.request.image),
            Field(name="image", path=("Image",), wanted=lambda s: s.image.id, sent=False),
            _config("entrypoint", "Entrypoint", tables.entrypoint, normal.sequence),
        ),
    ),
    Option(name="pull", argument={"type": "bool", "default": False}),
    Option(
        name="runtime",
        argument={"type": "str", "default": "runc"},
        parse=parse.name,
        fields=(_host("runtime", "Runtime", lambda s: s.request.runtime),),
    ),
    Option(
        name="user",
        argument={"type": "str", "default": "1000:1000"},
        parse=parse.user,
        fields=(_config("user", "User", lambda s: s.request.user),),
    ),
    Option(
        name="capabilities",
        argument={"type": "list", "elements": "str", "default": ["CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE"]},
        parse=parse.capabilities,
        fields=(
            _host("cap_drop", "CapDrop", lambda _s: ["ALL"], normal.capabilities),
            _host("cap_add", "CapAdd", lambda s: list(s.request.capabilities), normal.capabilities),
        ),
    ),
    Option(
        name="seccomp_profile",
        argument={"type": "str", "default": "/etc/bulkhead/seccomp/workspace-seccomp.json"},
        parse=parse.optional_path,
        variable="SECCOMP_PROFILE_PATH",
        # One field for the three options that share it: Docker keeps them in one list.
        fields=(_host("security_opt", "SecurityOpt", tables.security_options, normal.security_options),),
    ),
    Option(
        name="apparmor_profile",
        argument={"type": "str", "default": "workspace-container"},
        parse=parse.apparmor_profile,
        variable="APPARMOR_PROFILE_NAME",
    ),
    Option(
        name="userns_remap",
        argument={"type": "str", "default": "true"},
        parse=parse.truth,
        variable="USERNS_REMAP_ENABLED",
        # Never "host": without the daemon's mapping there is nothing to opt out of.
        fields=(_host("userns_mode", "UsernsMode", lambda _s: "", normal.text),),
    ),
    Option(
        name="cpu_quota",
        argument={"type": "str", "default": "200000"},
        parse=parse.positive,
        variable="CONTAINER_CPU_QUOTA",
        fields=(
            _host("cpu_quota", "CpuQuota", lambda s: s.request.cpu_quota or 0, normal.number, updatable=True),
            _host("cpu_period", "CpuPeriod", tables.cpu_period, normal.number, updatable=True),
        ),
    ),
    Option(name="cpu_period", argument={"type": "int", "default": 100000}, parse=tables.period),
    Option(
        name="memory",
        argument={"type": "str", "default": "2g"},
        parse=parse.size,
        variable="CONTAINER_MEMORY_LIMIT",
        fields=(
            _host("memory", "Memory", lambda s: s.request.memory or 0, normal.number, updatable=True),
            _host("memory_swap", "MemorySwap", tables.memory_and_swap, normal.number, updatable=True),
        ),
    ),
    Option(
        name="pids_limit",
        argument={"type": "str", "default": "256"},
        parse=parse.positive,
        variable="CONTAINER_PIDS_LIMIT",
        fields=(_host("pids_limit", "PidsLimit", lambda s: s.request.pids_limit or 0, normal.number, updatable=True),),
    ),
    Option(
        name="disk_limit",
        argument={"type": "str", "default": "5g"},
        parse=parse.size,
        variable="CONTAINER_DISK_LIMIT",
    ),
    Option(name="venv_size", argument={"type": "str", "default": "1g"}, parse=tables.required_size),
    Option(
        name="workspace_storage",
        argument={"type": "str", "choices": ["volume", "tmpfs"], "default": "volume"},
        fields=(
            _host("mounts", "Mounts", tables.mounts, normal.mounts),
            Field(
                name="mount_points",
                path=("Mounts",),
                wanted=tables.mount_points,
                normal=normal.mount_points,
                sent=False,
            ),
        ),
    ),
    Option(name="workspace_tmpfs_size", argument={"type": "str", "default": "1g"}, parse=tables.required_size),
    Option(
        name="tmpfs",
        argument={
            "type": "list",
            "elements": "dict",
            "default": tables.DEFAULT_TMPFS,
            "options": {
                "path": {"type": "path", "required": True},
                "size": {"type": "str", "required": True},
                "mode": {"type": "str", "default": "1777"},
                "owned": {"type": "bool", "default": False},
            },
        },
        parse=tables.tmpfs,
        fields=(_host("tmpfs", "Tmpfs", tables.tmpfs_options, normal.options),),
    ),
    Option(
        name="shm_size",
        argument={"type": "str", "default": "64m"},
        parse=tables.required_size,
        fields=(_host("shm_size", "ShmSize", lambda s: s.request.shm_size, normal.number),),
    ),
    Option(
        name="read_only_root",
        argument={"type": "bool", "default": True},
        fields=(_host("read_only_root", "ReadonlyRootfs", lambda s: s.request.read_only_root, normal.truth),),
    ),
    Option(
        name="network",
        argument={"type": "str", "default": "none"},
        parse=parse.network,
        fields=(
            _host("network", "NetworkMode", lambda s: s.request.network),
            _config("network_disabled", "NetworkDisabled", tables.without_network, normal.truth),
            Field(
                name="networks",
                path=("NetworkSettings", "Networks"),
                wanted=lambda s: {s.request.network: {}},
                normal=normal.attached,
                sent=False,
            ),
        ),
    ),
    Option(name="proxy", argument={"type": "bool", "default": True}),
    Option(
        name="proxy_control_socket",
        argument={"type": "path", "default": names.PROXY_CONTROL_SOCKET},
        parse=parse.path,
    ),
    Option(name="proxy_directory", argument={"type": "path", "default": names.PROXY_DIRECTORY}, parse=parse.path),
    Option(
        name="environment",
        argument={"type": "dict", "default": {}},
        parse=parse.environment,
        fields=(_config("environment", "Env", tables.environment, normal.environment),),
    ),
    Option(
        name="command",
        argument={"type": "list", "elements": "str"},
        parse=lambda value: None if value is None else tuple(value),
        fields=(_config("command", "Cmd", tables.command, normal.sequence),),
    ),
    Option(
        name="init",
        argument={"type": "bool", "default": True},
        fields=(_host("init", "Init", lambda s: s.request.init, normal.truth),),
    ),
    Option(
        name="stop_timeout",
        argument={"type": "int", "default": 10},
        parse=tables.seconds,
        fields=(_config("stop_timeout", "StopTimeout", lambda s: s.request.stop_timeout),),
    ),
    # Both are kept as labels: see tables.labels.
    Option(name="expires_after", argument={"type": "str", "default": ""}, parse=parse.duration),
    Option(name="idle_after", argument={"type": "str", "default": ""}, parse=parse.duration),
    _constant("privileged", "Privileged", False, normal.truth),
    _constant("ipc_mode", "IpcMode", "private", normal.text),
    _constant("pid_mode", "PidMode", "", normal.text),
    _constant("uts_mode", "UTSMode", "", normal.text),
    _constant("cgroupns_mode", "CgroupnsMode", "private", normal.text),
    _constant("cgroup_parent", "CgroupParent", "", normal.text),
    _constant("binds", "Binds", None, normal.sequence),
    _constant("volumes_from", "VolumesFrom", None, normal.sequence),
    _constant("devices", "Devices", None, normal.sequence),
    _constant("device_requests", "DeviceRequests", None, normal.sequence),
    _constant("device_cgroup_rules", "DeviceCgroupRules", None, normal.sequence),
    _constant("group_add", "GroupAdd", None, normal.sequence),
    _constant("sysctls", "Sysctls", None, normal.mapping),
    _constant("port_bindings", "PortBindings", None, normal.mapping),
    _constant("publish_all_ports", "PublishAllPorts", False, normal.truth),
    _constant("links", "Links", None, normal.sequence),
    _constant("extra_hosts", "ExtraHosts", None, normal.sequence),
    _constant("dns", "Dns", None, normal.sequence),
    _constant("oom_kill_disable", "OomKillDisable", False, normal.truth),
    _constant("oom_score_adj", "OomScoreAdj", 0, normal.number),
    _constant("unmasked_paths", "MaskedPaths", None, normal.unmasked),
    _constant("writable_proc_paths", "ReadonlyPaths", None, normal.not_read_only),
    # What the container prints is kept on the host: without a size, that is an unlimited writable path.
    _constant(
        "log", "LogConfig", {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}, normal.mapping
    ),
    Option(
        name="restart_policy",
        fields=(_host("restart_policy", "RestartPolicy", lambda _s: {"Name": "no"}, normal.restart, updatable=True),),
    ),
)

FIELDS: tuple[Field, ...] = tuple(row for option in OPTIONS for row in option.fields)
