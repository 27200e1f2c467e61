# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host stands: mounts, files, devices, Docker. Looks only.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.apply import ConfigFile
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.document import parse
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Container,
    Engine,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.root import is_empty
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root import fstab, note, units
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import mount_of, own_mounts

FSTAB = Path("/etc/fstab")
TOOLS = ("mkfs.xfs", "xfs_quota", "xfs_growfs")
_SBIN = "/usr/sbin:/sbin"

#: (arguments) -> (return code, standard output, standard error); never raises for a failed command.
Run = Callable[[list[str]], "tuple[int, str, str]"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A block device. ``holds`` names what blkid finds on it; empty for a blank one."""

    exists: bool
    holds: str = ""
    uuid: str = ""
    mounted: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One look at the host. Sizes in bytes."""

    mount_point: str
    kind: str
    source: str
    ready: bool
    empty: bool
    resolved: str
    data_bytes: int
    free_bytes: int
    #: Size of the loop file; None where there is none.
    loop_bytes: int | None
    device: Device | None
    #: What the committed mount unit of this role mounts; empty where none is committed.
    committed: str
    note: note.Note | None
    aside: bool
    #: Where the mount below the data root is written down: /etc/fstab, a unit's file, or nowhere.
    defined_in: str
    #: fstab mounts something at the data root, but nothing is mounted there.
    missing: bool
    tools: bool
    docker_active: bool
    running: tuple[Container, ...]
    silence: str
    config_error: str
    config_root: str

    @property
    def own_mount(self) -> bool:
        return self.mount_point == self.resolved


def look(wish: Wish, run: Run, service: Service, engine: Engine) -> Facts:
    """Everything that a decision needs; the data is measured only where it may have to be copied."""
    root = Path(wish.root)
    existing = next(place for place in [root, *root.parents] if place.exists()).resolve()
    mount = mount_of(own_mounts(), existing)
    state = service.state()
    running, silence = _ask(engine) if state.active else ((), "")
    config_root, config_error = _config()
    committed = _committed(units.Units(wish.root))
    ready = bool(mount and mount.project_quota)
    empty = is_empty(root)
    mount_point = mount.target if mount else "/"
    text = FSTAB.read_text() if FSTAB.exists() else ""
    loop = Path(wish.loop_file)
    return Facts(
        mount_point=mount_point,
        kind=mount.kind if mount else "",
        source=mount.source if mount else "",
        ready=ready,
        empty=empty,
        resolved=str(root.resolve()),
        data_bytes=0 if ready or committed or empty else _measure(root, run),
        free_bytes=_free(loop.parent),
        loop_bytes=loop.stat().st_size if loop.is_file() else None,
        device=_device(wish.device, run) if wish.device else None,
        committed=committed,
        note=note.read(wish.note),
        aside=wish.aside.exists(),
        defined_in=_definition(mount_point, text, run) if not ready and mount and mount.kind == "xfs" else "",
        missing=fstab.line_for(text, wish.root) is not None and mount_point != wish.root,
        tools=all(shutil.which(tool, path=f"{os.environ.get('PATH', '')}:{_SBIN}") for tool in TOOLS),
        docker_active=state.active,
        running=running,
        silence=silence,
        config_error=config_error,
        config_root=config_root,
    )


def _ask(engine: Engine) -> tuple[tuple[Container, ...], str]:
    try:
        return tuple(engine.containers()), ""
    except NoAnswerError as silence:
        return (), str(silence)


def _config() -> tuple[str, str]:
    """The data root that daemon.json names, and why it cannot be read."""
    path = "/etc/docker/daemon.json"
    try:
        return str(parse(ConfigFile(path, os.replace).read() or "", path).get("data-root", "")), ""
    except DaemonConfigError as error:
        return "", str(error)


def _committed(files: units.Units) -> str:
    try:
        return units.source_of(files.commit.read_text())
    except OSError:
        return ""


def _measure(root: Path, run: Run) -> int:
    _rc, out, _err = run(["du", "--summarize", "--one-file-system", "--block-size=1", str(root)])
    return int(out.split()[0]) if out.split() else 0


def _free(directory: Path) -> int:
    existing = next(place for place in [directory, *directory.parents] if place.exists())
    space = os.statvfs(existing)
    return space.f_bavail * space.f_frsize


def _device(path: str, run: Run) -> Device:
    try:
        if not stat.S_ISBLK(Path(path).stat().st_mode):
            return Device(exists=False)
    except OSError:
        return Device(exists=False)
    # Low-level probing, past blkid's own cache.
    _rc, out, _err = run(["blkid", "--probe", "--output", "export", path])
    found = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    holds = found.get("TYPE") or (f"a partition table ({found['PTTYPE']})" if "PTTYPE" in found else "")
    real = str(Path(path).resolve())
    mounted = next((mount.target for mount in own_mounts() if str(Path(mount.source).resolve()) == real), "")
    return Device(exists=True, holds=holds, uuid=found.get("UUID", ""), mounted=mounted)


def _definition(mount_point: str, text: str, run: Run) -> str:
    """The file that makes the mount come back at boot; empty for one made by hand."""
    if fstab.line_for(text, mount_point) is not None:
        return str(FSTAB)
    _rc, name, _err = run(["systemd-escape", "--path", "--suffix=mount", mount_point])
    _rc, out, _err = run(["systemctl", "show", "--property=FragmentPath", "--value", name.strip()])
    path = out.strip()
    return path if path.startswith(("/etc/", "/usr/lib/", "/lib/")) else ""
