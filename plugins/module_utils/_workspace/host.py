# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a host must have before a container is made there: every problem is found before the first change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .._mountinfo import Mount, own_mounts
from . import kernel, names, quota
from .errors import InvalidRequestError
from .request import image_problems
from .specification import Image, Request, Specification

# The arguments that let a gVisor container use a socket of the host.
_HOST_SOCKETS = frozenset({"--host-uds=open", "--host-uds=all", "--fsgofer-host-uds", "--fsgofer-host-uds=true"})


@dataclass(frozen=True, kw_only=True)
class HostState:
    """The host as far as a request depends on it."""

    name: str
    image: Image | None
    seccomp: str | None = None
    seccomp_problem: str = ""
    apparmor: Mapping[str, str] | None = None
    userns_remap: bool = False
    # The arguments of each runtime that the daemon knows.
    runtimes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"runc": ()})
    data_root: Mount | None = None


class HostFiles:
    """What the host's own files say, each read once in a run."""

    def __init__(self) -> None:
        self._seccomp: dict[str | None, tuple[str | None, str]] = {}

    def seccomp(self, path: str | None) -> tuple[str | None, str]:
        """The text of a profile, or what is wrong with it."""
        if path not in self._seccomp:
            self._seccomp[path] = _read_seccomp(path)
        return self._seccomp[path]

    @cached_property
    def apparmor(self) -> dict[str, str] | None:
        """The loaded profiles."""
        return kernel.loaded_apparmor_profiles()

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        """The mounts of the host."""
        return own_mounts()


def read_host(
    request: Request, info: Mapping[str, Any], image: Image | None, files: HostFiles | None = None
) -> HostState:
    """Looks at the host; changes nothing."""
    files = files or HostFiles()
    seccomp, problem = files.seccomp(request.seccomp_profile)
    return HostState(
        name=str(info.get("Name", "this host")),
        image=image,
        seccomp=seccomp,
        seccomp_problem=problem,
        apparmor=files.apparmor,
        userns_remap=any(str(entry).startswith("name=userns") for entry in info.get("SecurityOptions") or []),
        runtimes=_runtimes(info),
        data_root=quota.containing(Path(info.get("DockerRootDir") or "/var/lib/docker"), files.mounts),
    )


def build_specification(request: Request, host: HostState) -> Specification:
    """Joins request and host, or raises one error that lists all that the host lacks."""
    problems = [
        *_image_problems(request, host),
        *([host.seccomp_problem] if host.seccomp_problem else []),
        *_apparmor_problems(request, host),
        *_daemon_problems(request, host),
    ]
    if problems or host.image is None:
        raise InvalidRequestError(f"prepare the workspace of conversation {request.conversation_id}", problems)
    return Specification(request=request, image=host.image, seccomp=host.seccomp)


def _runtimes(info: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found = info.get("Runtimes") or {"runc": {}}
    return {name: tuple((entry or {}).get("runtimeArgs") or ()) for name, entry in found.items()}


def _read_seccomp(path: str | None) -> tuple[str | None, str]:
    if path is None:
        return None, ""
    cure = "apply the role seccomp to this host, or correct seccomp_profile"
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        return None, f"seccomp_profile: cannot read {path}: {error.strerror}; {cure}"
    except ValueError as error:
        return None, f"seccomp_profile: {path} is not JSON: {error}; {cure}"
    if not isinstance(document, dict) or "defaultAction" not in document:
        return None, f"seccomp_profile: {path} has no defaultAction, so it is no seccomp profile; {cure}"
    if document["defaultAction"] in {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"}:
        return None, f"seccomp_profile: {path} allows every call that it does not name; {cure}"
    # Compact: Docker keeps the whole text with the container.
    return json.dumps(document, separators=(",", ":")), ""


def _image_problems(request: Request, host: HostState) -> list[str]:
    if host.image is None:
        return [
            f"image: Docker on {host.name} has no image {request.image}, and it is not pulled unless asked; "
            "load it there with 'docker load', or set pull: true, or correct image"
        ]
    problems = image_problems(host.image.volumes, request)
    if not (request.command or host.image.entrypoint or host.image.command):
        problems.append(f"image: {request.image} names no program to run; set command")
    return problems


def _apparmor_problems(request: Request, host: HostState) -> list[str]:
    name = request.apparmor_profile
    if name is None:
        return []
    cure = "apply the role apparmor to this host, or set apparmor_profile to an empty string"
    if host.apparmor is None:
        return [
            f"apparmor_profile: the kernel of {host.name} has no AppArmor; {cure} and take L2 out of required_layers"
        ]
    mode = host.apparmor.get(name)
    if mode is None:
        return [f"apparmor_profile: profile {name} is not loaded on {host.name}; {cure}"]
    return []


def _daemon_problems(request: Request, host: HostState) -> list[str]:
    problems = []
    if request.runtime not in host.runtimes:
        known = ", ".join(sorted(host.runtimes))
        problems.append(f"runtime: Docker on {host.name} knows no runtime {request.runtime}; choose from {known}")
    arguments = host.runtimes.get(request.runtime, ())
    own_kernel = request.runtime in host.runtimes and request.runtime not in names.HOST_KERNEL_RUNTIMES
    if own_kernel and request.proxy and not any(argument in _HOST_SOCKETS for argument in arguments):
        problems.append(
            f"runtime: {request.runtime} on {host.name} keeps sockets of the host out of the container, so the proxy "
            'could not be reached; add "--host-uds=open" to its runtimeArgs in daemon.json, or set proxy: false'
        )
    if request.userns_remap and not host.userns_remap:
        problems.append(
            f"userns_remap: Docker on {host.name} runs without user namespaces; apply the role docker_userns, "
            "or set userns_remap: false and take L7 out of required_layers"
        )
    root = host.data_root
    if request.disk_limit is not None and root is not None and not root.project_quota:
        problems.append(
            f"disk_limit: Docker's data on {host.name} is on {root.kind} ({root.target}) without project quota, "
            "so a size would not hold; apply the role xfs_quota, or set disk_limit to an empty string and take "
            "L3 out of required_layers"
        )
    return problems
