# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Normal forms: each turns Docker's spelling of a value, or ours, into one that can be compared and shown."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from . import names

# What runc masks in every container that was not told otherwise, in all Docker releases from 20.10.
MASKED_AT_LEAST = frozenset(
    {
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/timer_list",
        "/sys/firmware",
    }
)
READONLY_AT_LEAST = frozenset({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})


def number(value: Any) -> int:
    """A limit. None, 0 and -1 all mean unlimited to Docker."""
    return max(int(value or 0), 0)


def truth(value: Any) -> bool:
    """A switch that Docker may leave out."""
    return bool(value)


def text(value: Any) -> str:
    """A string that Docker may leave out."""
    return value or ""


def sequence(value: Iterable[Any] | None) -> list[Any]:
    """A list that Docker may leave out; its order counts."""
    return list(value or [])


def mapping(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """An object that Docker may leave out."""
    return dict(value or {})


def capabilities(value: Iterable[str] | None) -> list[str]:
    """Capability names without prefix, sorted."""
    return sorted({str(entry).upper().removeprefix("CAP_") for entry in value or []})


def environment(value: Iterable[str] | None) -> dict[str, str]:
    """NAME=VALUE entries as an object."""
    return dict(str(entry).partition("=")[::2] for entry in value or [])


# A batch compares the same long profile again and again.
@functools.lru_cache(maxsize=32)
def digest(document: str) -> str:
    """A short name for a JSON document, the same for every spelling of the same content."""
    try:
        document = json.dumps(json.loads(document), sort_keys=True)
    except ValueError:
        return document
    return "sha256:" + hashlib.sha256(document.encode()).hexdigest()[:16]


def security_options(value: Iterable[str] | None) -> dict[str, Any]:
    """Security options by name; a seccomp profile, which Docker keeps whole, is shown as its digest."""
    result: dict[str, Any] = {}
    for entry in value or []:
        separator = "=" if "=" in entry.split(":", 1)[0] else ":"
        key, _separator, content = entry.partition(separator)
        if key == "seccomp":
            result[key] = digest(content)
        elif key == "no-new-privileges":
            result[key] = content != "false"
        else:
            result[key] = content
    return result


def mounts(value: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Mount requests by target: what is mounted, and whether it can be written."""
    result = {}
    for entry in value or []:
        access = "ro" if entry.get("ReadOnly") else "rw"
        propagation = (entry.get("BindOptions") or {}).get("Propagation") or "rprivate"
        suffix = "" if propagation == "rprivate" else f" {propagation}"
        result[entry["Target"]] = f"{entry['Type']} {entry.get('Source', '')} {access}{suffix}"
    return result


def mount_points(value: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """The mounts that exist, by target; an image's own volume would show up here."""
    result = {}
    for entry in value or []:
        source = entry.get("Name") if entry["Type"] == "volume" else entry.get("Source")
        result[entry["Destination"]] = f"{entry['Type']} {source} {'rw' if entry.get('RW') else 'ro'}"
    return result


def options(value: Mapping[str, str] | None) -> dict[str, str]:
    """Mount options by target, in one order."""
    return {target: ",".join(sorted(flags.split(","))) for target, flags in (value or {}).items()}


def attached(value: Mapping[str, Any] | None) -> list[str]:
    """Names of the networks; Docker lists `none` for a container without one, or lists nothing."""
    return sorted(set(value or {}) - {"none"})


def our_labels(value: Mapping[str, str] | None) -> dict[str, str]:
    """The labels that mark ownership and expiry; an image may bring others."""
    ours = {names.MANAGED, names.CONVERSATION, names.EXPIRES_AFTER, names.IDLE_AFTER}
    return {key: content for key, content in (value or {}).items() if key in ours}


def restart(value: Mapping[str, Any] | None) -> str:
    """Name of the restart policy."""
    return (value or {}).get("Name") or "no"


def unmasked(value: Iterable[str] | None) -> list[str]:
    """Paths that must be hidden and are not; None is a request for Docker's own list."""
    return [] if value is None else sorted(MASKED_AT_LEAST - set(value))


def not_read_only(value: Iterable[str] | None) -> list[str]:
    """Paths of /proc that must be read-only and are not; None is a request for Docker's own list."""
    return [] if value is None else sorted(READONLY_AT_LEAST - set(value))
