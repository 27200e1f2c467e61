# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Drafts of the containers that are attacked: copies of a conversation's, and plain ones for the controls."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import defences
from .defences import Draft

_CONFIG = ("User", "Env", "Cmd", "Entrypoint", "WorkingDir", "StopTimeout", "Tty", "OpenStdin", "StopSignal",
           "NetworkDisabled")  # fmt: skip

PLAIN, OPEN, PRIVILEGED = "plain", "open", "privileged"
# Without these, kernel interfaces of the host are reached, which takes a container without walls.
_OF_THE_HOST = frozenset(
    {"userns", "unprivileged", "network_none", "pid_namespace", "ipc_namespace", "uts_namespace", "cgroup_namespace",
     "mounts", "devices", "proxy_policy"}
)  # fmt: skip
_PROFILES = frozenset({"seccomp", "apparmor", "capabilities", "masked_paths", "readonly_paths", "no_new_privileges"})


def clone(container: Mapping[str, Any], volumes: Mapping[str, str], foreign: Path) -> Draft:
    """A draft of the very same container; `volumes` are sizes by target, for new ones."""
    config = {key: copy.deepcopy(container["Config"].get(key)) for key in _CONFIG}
    host = copy.deepcopy(dict(container["HostConfig"]))
    # Docker tells the paths that it filled in; they come again by themselves.
    for key in ("ContainerIDFile", "ConsoleSize", "MaskedPaths", "ReadonlyPaths"):
        host.pop(key, None)
    return Draft(
        # A name of its own, since Docker would give it the host's together with the host's network.
        config={**config, "Image": container["Image"], "Hostname": "copy"},
        host=host,
        volumes=dict(volumes),
        neighbour=str(container["Name"]).lstrip("/"),
        foreign=foreign,
    )


def control_of(names: Iterable[str]) -> str:
    """Which plain container a probe that names these defences is compared with."""
    wanted = frozenset(names)
    if wanted & _OF_THE_HOST:
        return PRIVILEGED
    return OPEN if wanted & _PROFILES else PLAIN


def plain(kind: str, container: Mapping[str, Any], program: Sequence[str], foreign: Path) -> Draft:
    """What `docker run` makes of the image: PLAIN with nothing said, OPEN and PRIVILEGED with what undoes defences.

    Docker itself makes /dev/shm small and not executable, and /run root's: the plain container has others there. It has
    a credential that is worth nothing, and no-new-privileges is off also where the daemon's default is on.
    """
    draft = Draft(
        config={"Image": container["Image"], "User": "0:0", "Entrypoint": [], "Cmd": list(program)},
        host={"NetworkMode": "none", "Tmpfs": dict.fromkeys(("/dev/shm", "/run"), "rw,exec,suid,dev,mode=1777")},
        foreign=foreign,
        neighbour=str(container["Name"]).lstrip("/"),
    )
    defences.switch_off(draft, ("no_new_privileges", "credentials_outside"))
    if kind in (OPEN, PRIVILEGED):
        defences.switch_off(draft, ("capabilities", "masked_paths", "readonly_paths", "seccomp", "apparmor"))
    if kind == PRIVILEGED:
        draft.host.update(
            Privileged=True, UsernsMode="host", NetworkMode="host", PidMode="host", IpcMode="host", UTSMode="host",
            CgroupnsMode="host", Tmpfs={},
        )  # fmt: skip
        defences.switch_off(draft, ("mounts", "proxy_policy"))
    return draft
