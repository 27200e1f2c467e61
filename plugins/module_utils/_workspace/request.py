# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""From what a user wrote to a request: all problems at once, before anything is looked at or changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import names
from .credentials import suspicious
from .errors import InvalidRequestError
from .options import OPTIONS, Option
from .specification import Request

LAYERS = ("L1", "L2", "L3", "L4", "L5", "L6", "L7")

MEBIBYTE = 1024**2
_IDENTIFIER = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


def build_request(params: Mapping[str, Any], required_layers: tuple[str, ...] = ()) -> Request:
    """Normalises the options; raises one error that lists everything that is wrong."""
    parsed = {option.name: _parse(option, params) for option in OPTIONS if option.argument is not None}
    problems = [problem for _value, problem in parsed.values() if problem]
    if not problems:
        request = Request(**{name: value for name, (value, _problem) in parsed.items()})
        problems = [*_contradictions(request), *_missing_layers(request, required_layers)]
        if not problems:
            return request
    shown = str(params.get("conversation_id"))[:60]
    raise InvalidRequestError(f"describe the workspace of conversation {shown!r}", problems)


def _parse(option: Option, params: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        return option.parse(params[option.name]), ""
    except ValueError as error:
        hint = f" (or environment variable {option.variable})" if option.variable else ""
        return None, f"{option.name}{hint}: {error}"


def _contradictions(request: Request) -> list[str]:
    problems = []
    if request.disk_limit is not None and request.venv_size >= request.disk_limit:
        problems.append(
            f"venv_size: {request.venv_size} bytes leave nothing of disk_limit ({request.disk_limit} bytes) "
            "for /workspace; lower venv_size or raise disk_limit"
        )
    total = sum(entry.size for entry in request.all_tmpfs) + request.shm_size
    if request.memory is not None and total >= request.memory:
        parts = ", ".join(f"{entry.path} {entry.size // MEBIBYTE}M" for entry in request.all_tmpfs)
        problems.append(
            f"tmpfs: {parts}, /dev/shm {request.shm_size // MEBIBYTE}M: together {total // MEBIBYTE}M, which "
            f"could use up all of memory ({request.memory // MEBIBYTE}M); make them smaller or raise memory"
        )
    if request.memory is not None and request.memory < 6 * MEBIBYTE:
        problems.append(f"memory: {request.memory} bytes is less than the 6M that Docker needs; raise it")
    problems += [
        f"environment: {name} looks like a credential; give it to the credential proxy instead"
        for name in suspicious(request.environment)
    ]
    if request.pull and _IDENTIFIER.fullmatch(request.image):
        problems.append("pull: an image cannot be pulled by its identifier; name repository and digest in image")
    if request.proxy and len(f"{request.proxy_source}/proxy.sock") > 107:
        problems.append("proxy_directory: the socket's path would exceed Linux's 107 characters")
    return problems


def _missing_layers(request: Request, required: tuple[str, ...]) -> list[str]:
    """A required layer that the options themselves leave out is refused before it is tried."""
    unlimited = [
        option for option in ("cpu_quota", "memory", "pids_limit", "disk_limit") if getattr(request, option) is None
    ]
    own_kernel = request.runtime not in names.HOST_KERNEL_RUNTIMES
    left_out = {
        "L2": ["runtime"]
        if own_kernel
        else [name for name in ("seccomp_profile", "apparmor_profile") if getattr(request, name) is None],
        "L3": unlimited,
        "L4": [] if request.network == "none" else ["network"],
        "L5": (["runtime"] if own_kernel else []) + ([] if request.read_only_root else ["read_only_root"]),
        "L6": (["runtime"] if own_kernel else []) + ([] if request.proxy else ["proxy"]),
        "L7": [] if request.userns_remap else ["userns_remap"],
    }
    return [
        f"{option}: {_verb(option)} layer {layer}, which required_layers demands; set the option, "
        f"or take {layer} out of required_layers"
        for layer in required
        for option in left_out.get(layer, [])
    ]


def _verb(option: str) -> str:
    return "its own kernel hides from the host, or leaves out," if option == "runtime" else "switches off"


def image_problems(declared: tuple[str, ...], request: Request) -> list[str]:
    """Volumes that the image declares and that nothing of ours covers: they would have no limit."""
    covered = {names.WORKSPACE, names.VENV, *(entry.path for entry in request.all_tmpfs)}
    return [
        f"image: {request.image} declares the volume {path}, which would have no size limit; "
        "add a tmpfs with this path, or build the image without the VOLUME instruction"
        for path in declared
        if path not in covered
    ]
