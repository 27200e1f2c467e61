# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving the /workspace of a conversation, from end to end. Needs no Ansible.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .._workspace.driver import Driver
from . import ids, manifest, pack, place, survey, tree
from .arguments import Settings, settings
from .conversation import quiet, told, workspace
from .errors import ArchiveError
from .ids import Ids
from .manifest import Manifest
from .pipe import Compressed
from .store import Store, shown


@dataclass(frozen=True, kw_only=True)
class Saved:
    """`archive` as the user gets it; `changed` is False when the newest archive has the same content already."""

    archive: dict[str, Any]
    changed: bool
    warnings: tuple[str, ...] = ()


def save(driver: Driver, conversation_id: str, options: Mapping[str, Any], *, dry_run: bool = False) -> Saved:
    """Saves the workspace, or says what would be saved. Nothing counts as saved unless this returns.

    A container that runs is paused meanwhile. `options` are those that arguments.ARCHIVE describes.
    """
    wanted = settings(conversation_id, options)
    with told(f"save the workspace of conversation {conversation_id}"):
        root, owners = workspace(driver, conversation_id), ids.of_daemon(driver.host())
        store = Store(wanted, conversation_id)
        newest = _newest(store)
        with quiet(driver, conversation_id, dry_run=dry_run):
            place.insist_on_whole(root)
            seen = survey.survey(tree.walk(root, owners), wanted.size_limit)
            if wanted.refuse_credentials:
                survey.refuse_credentials(seen.credentials)
            warnings = _warnings(seen)
            if newest and seen.looks_like(newest.tree) and survey.summed_up(tree.walk(root, owners)) == newest.tree:
                return Saved(archive=shown(store, newest), changed=False, warnings=warnings)
            if dry_run:
                return Saved(archive={"address": store.address, **asdict(seen)}, changed=True, warnings=warnings)
            made = _upload(store, conversation_id, root, owners, seen, wanted)
    return Saved(archive=shown(store, made), changed=True, warnings=warnings)


def _newest(store: Store) -> Manifest | None:
    """To compare with. One that cannot be read is no reason not to save."""
    names = store.names()
    try:
        return store.manifest(names[-1]) if names else None
    except ArchiveError:
        return None


def _warnings(seen: survey.Survey) -> tuple[str, ...]:
    warnings = []
    if seen.credentials:
        warnings.append(f"the archive holds credentials: {survey.told(seen.credentials)}")
    if seen.left_out:
        warnings.append(f"the archive leaves out what it has no place for: {survey.told(seen.left_out)}")
    return tuple(warnings)


def _upload(
    store: Store, conversation_id: str, root: Path, owners: Ids, seen: survey.Survey, wanted: Settings
) -> Manifest:
    now = time.time()
    name = f"{time.strftime(manifest.NAME_FORMAT, time.gmtime(now))}-{secrets.token_hex(4)}"

    def write(sink: BinaryIO) -> dict[str, Any]:
        return pack.pack(tree.walk(root, owners), sink, limit=wanted.size_limit)

    with Compressed(write, wanted.compression_level) as stream:
        store.put_workspace(name, stream)
    made = Manifest(
        conversation_id=conversation_id,
        name=name,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        size=stream.size,
        sha256=stream.sha256,
        tree=stream.result,
        left_out=seen.left_out[: survey.MOST_TOLD],
        credentials=seen.credentials[: survey.MOST_TOLD],
    )
    store.put_manifest(made)
    return made
