# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written last, and makes an archive one. Pure.

Note that this module util is PRIVATE to the collection.

An archive is a place of its own, PREFIX CONVERSATION/NAME/, with two objects: the packed workspace, and then its
manifest. No key is ever written twice: an interrupted save harms no earlier archive, and lifecycle rules see each
object grow old by itself. Without its manifest, an archive is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import ArchiveError

FORMAT = "bulkhead.workspace archive 1"
MANIFEST = "manifest.json"
WORKSPACE = "workspace.tar.zst"

_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
NAME_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The facts of one archive. `tree` is what content.Listing sums up; `sha256` speaks of the packed object."""

    conversation_id: str
    name: str
    created: str  # ISO 8601, UTC
    size: int  # bytes of the packed object
    sha256: str
    tree: dict[str, Any]
    left_out: list[dict[str, str]]  # path and kind of what an archive has no place for
    credentials: list[dict[str, str]]  # path and kind of what looks like a credential

    def text(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2).encode() + b"\n"


def parse(text: bytes, place: str) -> Manifest:
    """The manifest found at `place`, or an ArchiveError that says what is wrong with it."""
    try:
        fields = json.loads(text)
        found = fields.pop("format")
        manifest = Manifest(**fields)
        sound = isinstance(manifest.size, int) and all(
            isinstance(value, str) for value in (manifest.sha256, manifest.name, manifest.tree["sha256"])
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(f"cannot read manifest {place}: {error}; choose another archive") from error
    if found != FORMAT or not sound:
        raise ArchiveError(
            f"cannot read manifest {place}: it is of format {found!r}, and this version of the collection reads "
            f"{FORMAT!r}; restore it with the version that wrote it"
        )
    return manifest


def key(prefix: str, conversation_id: str, name: str, part: str) -> str:
    return f"{prefix}{conversation_id}/{name}/{part}"


def is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def complete(sizes: Mapping[str, int], place: str) -> list[str]:
    """Names of the archives among the keys below `place` that have both their objects, oldest first."""
    parts: dict[str, set[str]] = {}
    for found in sizes:
        name, _slash, part = found.removeprefix(place).partition("/")
        if is_name(name):
            parts.setdefault(name, set()).add(part)
    return sorted(name for name, there in parts.items() if there >= {MANIFEST, WORKSPACE})
