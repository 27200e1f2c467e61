# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What state Docker and its data root are in: systemd, the daemon, the kernel and the data root itself are asked.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.apply import ConfigFile
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.document import parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import (
    DaemonConfigError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.mask import masked
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.root import (
    DEFAULT_ROOT,
    contents_of,
    is_empty,
    namespaces_of,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import mount_of, own_mounts

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def survey(config_path: str, wanted_root: str | None, service: Service, engine: Engine) -> dict[str, Any]:
    """The return values of docker_host_info, by name. A stopped daemon is not started by the question.

    The settings are whole, as a plan needs them; what leaves the host goes through `presentable`.
    """
    config, config_error = _read_config(config_path)
    state = service.state()
    server, running, server_error = _ask_server(engine) if state.active else ({}, [], "")
    data_root = Path(wanted_root or config.get("data-root") or DEFAULT_ROOT)
    current_root = _root_in_use(data_root, config, server)
    return {
        "installed": state.exists and shutil.which("dockerd", path=_PATH) is not None,
        "python_library": find_spec("docker") is not None,
        "active": state.active,
        "enabled": state.enabled,
        "config": config,
        "config_error": config_error,
        "server": server,
        "server_error": server_error,
        "running": running,
        "data_root": str(data_root),
        "resolved_root": str(data_root.resolve()),
        "current_root": str(current_root),
        "current_root_owner": _owner_of(current_root),
        "empty": is_empty(data_root),
        "contents": {name: list(names) for name, names in asdict(contents_of(current_root)).items()},
        "filesystem": _describe_filesystem(data_root),
    }


def presentable(found: dict[str, Any]) -> dict[str, Any]:
    """What survey found, without the secrets of the settings."""
    return {**found, "config": masked(found["config"])}


def _read_config(path: str) -> tuple[dict[str, Any], str]:
    try:
        return parse(ConfigFile(path, os.replace).read() or "", path), ""
    except DaemonConfigError as error:
        return {}, str(error)


def _ask_server(engine: Engine) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """The daemon's /info, its running containers, and why there is neither."""
    try:
        info = engine.info()
        pids = {name: engine.process_of(name) for name in engine.running()}
    except NoAnswerError as silence:
        return {}, [], str(silence)
    return info, [{"name": name, "pid": pid, "uid_map": _uid_map(pid)} for name, pid in pids.items()], ""


def _uid_map(pid: int) -> str:
    try:
        return "\n".join(" ".join(line.split()) for line in Path(f"/proc/{pid}/uid_map").read_text().splitlines())
    except OSError:
        return ""


def _root_in_use(data_root: Path, config: dict[str, Any], server: dict[str, Any]) -> Path:
    """The daemon's own word, else the only namespace there is if the configuration asks for one."""
    if server:
        return Path(server["DockerRootDir"])
    namespaces = namespaces_of(data_root) if config.get("userns-remap") else []
    return data_root / namespaces[0] if len(namespaces) == 1 else data_root


def _describe_filesystem(path: Path) -> dict[str, Any]:
    existing = next(place for place in [path, *path.parents] if place.exists()).resolve()
    mount = mount_of(own_mounts(), existing)
    space = os.statvfs(existing)
    return {
        "type": mount.kind if mount else "",
        "mount_point": mount.target if mount else "",
        "source": mount.source if mount else "",
        "project_quota": bool(mount and mount.project_quota),
        "free_bytes": space.f_bfree * space.f_frsize,
    }


def _owner_of(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_uid}:{status.st_gid}"
