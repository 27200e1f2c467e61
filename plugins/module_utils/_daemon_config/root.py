# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in Docker's data root, read from the directory itself, so that a stopped daemon can be asked too.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_ROOT = "/var/lib/docker"
_NAMESPACE = re.compile(r"\d+\.\d+\Z")


@dataclass(frozen=True)
class Contents:
    """Names of what people keep under one data root."""

    containers: tuple[str, ...]
    images: tuple[str, ...]
    volumes: tuple[str, ...]


def root_by(config: dict[str, Any], start: int) -> str:
    """Where a daemon with this daemon.json keeps its data; start is the first subordinate id."""
    root = config.get("data-root") or DEFAULT_ROOT
    return f"{root}/{start}.{start}" if config.get("userns-remap") else root


def contents_of(root: Path) -> Contents:
    return Contents(
        containers=tuple(sorted(_container_name(path) for path in _directories(root / "containers"))),
        images=tuple(sorted({name for path in root.glob("image/*") for name in _image_names(path)})),
        volumes=tuple(sorted(path.name for path in _directories(root / "volumes"))),
    )


def namespaces_of(root: Path) -> list[str]:
    """The sub-directories UID.GID that dockerd uses under userns-remap."""
    return sorted(path.name for path in _directories(root) if _NAMESPACE.match(path.name))


def is_empty(root: Path) -> bool:
    """Whether nothing at all is there; a missing directory is empty."""
    return not root.is_dir() or next(root.iterdir(), None) is None


def _directories(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


def _container_name(path: Path) -> str:
    try:
        return str(json.loads((path / "config.v2.json").read_text())["Name"]).lstrip("/")
    except (OSError, ValueError, KeyError):
        return path.name[:12]


def _image_names(driver: Path) -> list[str]:
    """Tags where an image has some, else the beginning of its identifier."""
    ids = [path.name for path in (driver / "imagedb/content/sha256").glob("*")]
    try:
        repositories = json.loads((driver / "repositories.json").read_text())["Repositories"]
    except (OSError, ValueError, KeyError):
        repositories = {}
    tags: dict[str, list[str]] = {}
    for references in repositories.values():
        for reference, identifier in references.items():
            if "@" not in reference:
                tags.setdefault(identifier.removeprefix("sha256:"), []).append(reference)
    return [name for identifier in ids for name in tags.get(identifier, [identifier[:12]])]
