# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of the daemon's data directory hides, and what it leaves with an owner that no container can use.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
)

#: Docker walks every volume to measure it.
_MEASURE_SECONDS = 600


def sizes(engine: Engine) -> dict[str, int]:
    """Bytes of all images (shared layers once), containers and volumes; empty where the daemon does not say."""
    try:
        usage = engine.get("/system/df", timeout=_MEASURE_SECONDS)
    except NoAnswerError:
        return {}
    return {
        "images": int(usage.get("LayersSize") or 0),
        "containers": sum(int(one.get("SizeRw") or 0) for one in usage.get("Containers") or []),
        "volumes": sum(
            max(0, int((one.get("UsageData") or {}).get("Size") or 0)) for one in usage.get("Volumes") or []
        ),
    }


def bind_mounts(engine: Engine, *, start: int, count: int) -> list[dict[str, Any]]:
    """The paths of the host that containers may write, and whose owner is none of the mapped ids.

    Sockets and devices are left out: they belong to programs of the host.
    """
    try:
        containers = engine.get("/containers/json?all=1")
    except NoAnswerError:
        return []
    users: dict[str, set[str]] = {}
    for container in containers:
        for mount in container.get("Mounts") or []:
            if mount.get("Type") == "bind" and mount.get("RW"):
                users.setdefault(mount["Source"], set()).add(str(container["Names"][0]).lstrip("/"))
    found = []
    for path, names in sorted(users.items()):
        try:
            status = Path(path).stat()
        except OSError:
            continue
        plain = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
        if plain and not start <= status.st_uid < start + count:
            found.append(
                {
                    "path": path,
                    "containers": sorted(names),
                    "owner": f"{status.st_uid}:{status.st_gid}",
                    "becomes": f"{status.st_uid + start}:{status.st_gid + start}",
                }
            )
    return found
