# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a conversation's container shall be: typed values, and what follows from them. No Docker, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import names


@dataclass(frozen=True, kw_only=True)
class Tmpfs:
    """One memory file system. It is never without a size, and never executable unless asked."""

    path: str
    size: int
    mode: str = "1777"
    owned: bool = False
    executable: bool = False

    def mount_options(self, user: str) -> str:
        """The options as Docker takes them."""
        flags = ["rw", "nosuid", "nodev", f"size={self.size}", f"mode={self.mode}"]
        if not self.executable:
            flags.insert(1, "noexec")
        if self.owned:
            uid, gid = user.split(":")
            flags += [f"uid={uid}", f"gid={gid}"]
        return ",".join(flags)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One ephemeral volume; size None means that its limit was switched off."""

    name: str
    target: str
    size: int | None

    @property
    def driver_options(self) -> dict[str, str]:
        """Options of Docker's local driver; the size becomes an XFS project quota."""
        return {} if self.size is None else {"size": str(self.size)}


@dataclass(frozen=True, kw_only=True)
class Image:
    """What an image brings along."""

    id: str
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    user: str = ""

    @classmethod
    def of(cls, inspected: Mapping[str, Any]) -> Image:
        """Reads Docker's answer to an image inspection."""
        config = inspected.get("Config") or {}
        return cls(
            id=inspected["Id"],
            environment=dict(entry.partition("=")[::2] for entry in config.get("Env") or []),
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            volumes=tuple(sorted(config.get("Volumes") or {})),
            user=str(config.get("User") or ""),
        )


@dataclass(frozen=True, kw_only=True)
class Request:
    """The normalised options of one task; the attribute names are the option names."""

    conversation_id: str
    image: str
    runtime: str
    user: str
    capabilities: tuple[str, ...]
    seccomp_profile: str | None
    apparmor_profile: str | None
    userns_remap: bool
    cpu_quota: int | None
    cpu_period: int
    memory: int | None
    pids_limit: int | None
    disk_limit: int | None
    venv_size: int
    workspace_storage: str
    workspace_tmpfs_size: int
    tmpfs: tuple[Tmpfs, ...]
    shm_size: int
    read_only_root: bool
    network: str
    proxy: bool
    proxy_control_socket: str
    proxy_directory: str
    environment: Mapping[str, str]
    command: tuple[str, ...] | None
    init: bool
    stop_timeout: int
    pull: bool
    expires_after: int | None
    idle_after: int | None

    @property
    def container_name(self) -> str:
        """Name of the container."""
        return names.container(self.conversation_id)

    @property
    def all_tmpfs(self) -> tuple[Tmpfs, ...]:
        """Every memory file system, that of /workspace included when it is one."""
        if self.workspace_storage != "tmpfs":
            return self.tmpfs
        # Code is run in the workspace, as in the volume that it replaces.
        workspace = Tmpfs(
            path=names.WORKSPACE, size=self.workspace_tmpfs_size, mode="0755", owned=True, executable=True
        )
        return (*self.tmpfs, workspace)

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """The conversation's volumes. /opt/venv takes its size from the limit, /workspace gets the rest."""
        limited = self.disk_limit is not None
        venv = Volume(
            name=names.venv_volume(self.conversation_id),
            target=names.VENV,
            size=self.venv_size if limited else None,
        )
        if self.workspace_storage == "tmpfs":
            return (venv,)
        workspace = Volume(
            name=names.workspace_volume(self.conversation_id),
            target=names.WORKSPACE,
            size=None if self.disk_limit is None else self.disk_limit - self.venv_size,
        )
        return (workspace, venv)

    @property
    def proxy_source(self) -> str | None:
        """The host directory that holds the conversation's proxy socket."""
        return f"{self.proxy_directory}/{self.conversation_id}" if self.proxy else None


@dataclass(frozen=True, kw_only=True)
class Specification:
    """A request together with what the host holds for it: image, text of the profile, the proxy's variables."""

    request: Request
    image: Image
    seccomp: str | None = None
    proxy_environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The container's whole environment: the image's, over it the proxy's, over both the task's."""
        return {**self.image.environment, **self.proxy_environment, **self.request.environment}
