# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a workspace before anything is uploaded: how much it is, what stays behind, which credentials are in it.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import content, credentials, tree
from .content import Listing
from .errors import ArchiveError
from .pack import insist_on_limit
from .tree import Found

# So many are told one by one.
MOST_TOLD = 100


@dataclass(frozen=True, kw_only=True)
class Survey:
    """`size` and `entries` as the manifest's tree has them; lists of path and kind."""

    size: int
    entries: dict[str, int]
    left_out: list[dict[str, str]]
    credentials: list[dict[str, str]]

    def looks_like(self, known: dict[str, Any]) -> bool:
        """Whether a tree of the same counts is known, so that it is worth to compare the content."""
        return (known.get("bytes"), known.get("entries")) == (self.size, self.entries)


def survey(found: Iterable[Found], limit: int | None) -> Survey:
    """Reads names and sizes, and the beginnings of the few files whose names are well known."""
    listing, stored = Listing(), 0
    left_out: list[dict[str, str]] = []
    leaks: list[dict[str, str]] = []
    for one in found:
        entry = one.entry
        if entry.kind in tree.LEFT_OUT:
            left_out.append({"path": entry.path, "kind": entry.kind})
            continue
        listing.add(entry)
        stored += min(entry.size, one.status.st_blocks * 512)
        kind = _credential(one)
        if kind:
            leaks.append({"path": entry.path, "kind": kind})
    insist_on_limit(stored, limit)
    summary = listing.result()
    return Survey(size=summary["bytes"], entries=summary["entries"], left_out=left_out, credentials=leaks)


def summed_up(found: Iterable[Found]) -> dict[str, Any]:
    """The tree with the content of every file, as the manifest has it."""
    listing = Listing()
    for one in found:
        if one.entry.kind == tree.FILE:
            descriptor = one.open()
            try:
                listing.add(one.entry, content.read(descriptor, one.entry.size))
            finally:
                os.close(descriptor)
        elif one.entry.kind not in tree.LEFT_OUT:
            listing.add(one.entry)
    return listing.result()


def refuse_credentials(leaks: list[dict[str, str]]) -> None:
    if leaks:
        raise ArchiveError(
            f"cannot save the workspace: it has credentials: {told(leaks)}; remove them, or set credentials_found: "
            "report to upload them too"
        )


def told(found: list[dict[str, str]]) -> str:
    """Path and kind of each, for a sentence."""
    shown = ", ".join(f"{one['path']!r} ({one['kind']})" for one in found[:MOST_TOLD])
    return shown + (f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else "")


def _credential(one: Found) -> str | None:
    if one.entry.kind != tree.FILE or not credentials.suspected(one.entry.path):
        return None
    descriptor = one.open()
    try:
        return credentials.recognised(one.entry.path, os.pread(descriptor, credentials.LOOK_AT, 0))
    finally:
        os.close(descriptor)
