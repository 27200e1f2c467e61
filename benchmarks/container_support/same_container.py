# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same container, said in four ways: to our module, to docker_container, to `docker run`, and to the Docker SDK.

All four make two volumes and a container with the production limits, profile, tmpfs table and labels. What this machine
cannot have (AppArmor, project quotas, user namespaces, the proxy) is left out for all of them alike.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker

ROOT = Path(__file__).resolve().parent.parent.parent
PROFILE = ROOT / "deployment" / "seccomp" / "workspace-seccomp.json"
IMAGE = "bulkhead/workspace:demo"
LABEL = "bench"

_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"]
_TMPFS = {
    "/tmp": "rw,noexec,nosuid,nodev,size=536870912,mode=1777",
    "/var/tmp": "rw,noexec,nosuid,nodev,size=268435456,mode=1777",
    "/run": "rw,noexec,nosuid,nodev,size=67108864,mode=0755,uid=1000,gid=1000",
    "/home/appuser": "rw,noexec,nosuid,nodev,size=134217728,mode=0700,uid=1000,gid=1000",
    "/home/appuser/.cache": "rw,noexec,nosuid,nodev,size=536870912,mode=0700,uid=1000,gid=1000",
}
_VOLUMES = {"workspace": "/workspace", "venv": "/opt/venv"}
_LOG = {"max-size": "10m", "max-file": "3"}


def _profile() -> str:
    return json.dumps(json.loads(PROFILE.read_text()), separators=(",", ":"))


def for_our_module() -> dict[str, Any]:
    """Options of workspace_container, beside the conversation."""
    return {
        "image": IMAGE,
        "seccomp_profile": str(PROFILE),
        "apparmor_profile": "",
        "userns_remap": "",
        "disk_limit": "",
        "proxy": False,
        # What the machine's own kernel can confirm; all seven are read and judged whatever is required.
        "required_layers": ["L4"],
    }


def for_docker_container(name: str) -> dict[str, Any]:
    """Options of community.docker.docker_container."""
    return {
        "name": name,
        "image": IMAGE,
        "pull": "never",
        "user": "1000:1000",
        "cap_drop": ["ALL"],
        "capabilities": _CAPABILITIES,
        "security_opts": ["no-new-privileges:true", f"seccomp={_profile()}"],
        "cpu_quota": 200000,
        "cpu_period": 100000,
        "memory": "2g",
        "memory_swap": "2g",
        "pids_limit": 256,
        "shm_size": "64m",
        "read_only": True,
        "network_mode": "none",
        "ipc_mode": "private",
        "cgroupns_mode": "private",
        "init": True,
        "stop_timeout": 10,
        "log_driver": "json-file",
        "log_options": _LOG,
        "restart_policy": "no",
        "labels": {LABEL: name},
        "tmpfs": [f"{path}:{flags}" for path, flags in _TMPFS.items()],
        "mounts": [
            {"type": "volume", "source": f"{name}-{part}", "target": target} for part, target in _VOLUMES.items()
        ],
    }


def for_docker_run(name: str) -> list[str]:
    """The command line."""
    flags = [
        f"--name={name}",
        "--pull=never",
        "--user=1000:1000",
        "--cap-drop=ALL",
        *(f"--cap-add={capability}" for capability in _CAPABILITIES),
        "--security-opt=no-new-privileges:true",
        f"--security-opt=seccomp={PROFILE}",
        "--cpu-quota=200000",
        "--cpu-period=100000",
        "--memory=2g",
        "--memory-swap=2g",
        "--pids-limit=256",
        "--shm-size=64m",
        "--read-only",
        "--network=none",
        "--ipc=private",
        "--cgroupns=private",
        "--init",
        "--stop-timeout=10",
        "--log-driver=json-file",
        *(f"--log-opt={key}={value}" for key, value in _LOG.items()),
        "--restart=no",
        f"--label={LABEL}={name}",
        *(f"--tmpfs={path}:{options}" for path, options in _TMPFS.items()),
        *(f"--mount=type=volume,source={name}-{part},target={target}" for part, target in _VOLUMES.items()),
    ]
    return ["docker", "run", "--detach", *flags, IMAGE]


def with_the_sdk(client: docker.DockerClient, name: str, **more: Any) -> None:
    """The call of the Docker SDK for Python; ``more`` are further options of it."""
    # Typed as Any: the types that are published for the SDK lack some of what it takes.
    options: dict[str, Any] = {
        "name": name,
        "detach": True,
        "user": "1000:1000",
        "cap_drop": ["ALL"],
        "cap_add": _CAPABILITIES,
        "security_opt": ["no-new-privileges:true", f"seccomp={_profile()}"],
        "cpu_quota": 200000,
        "cpu_period": 100000,
        "mem_limit": "2g",
        "memswap_limit": "2g",
        "pids_limit": 256,
        "shm_size": "64m",
        "read_only": True,
        "network_mode": "none",
        "ipc_mode": "private",
        "cgroupns": "private",
        "init": True,
        "log_config": docker.types.LogConfig(type="json-file", config=_LOG),
        "restart_policy": {"Name": "no"},
        "labels": {LABEL: name},
        "tmpfs": dict(_TMPFS),
        "mounts": [
            docker.types.Mount(target=target, source=f"{name}-{part}", type="volume")
            for part, target in _VOLUMES.items()
        ],
    }
    client.containers.run(IMAGE, **options, **more)
