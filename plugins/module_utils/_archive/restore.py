# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring the /workspace of a conversation, from end to end. Needs no Ansible.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._workspace.driver import Driver
from . import ids, place, retrieval, survey, tree, unpack
from .arguments import settings
from .conversation import insist_on_rest, told, workspace
from .errors import ArchiveError
from .ids import Ids
from .manifest import Manifest
from .pipe import Decompressed
from .store import Archived, Store, shown


@dataclass(frozen=True, kw_only=True)
class Restored:
    """`waiting` says why nothing is restored yet, when the archive must be retrieved first; else it is empty."""

    archive: dict[str, Any]
    changed: bool
    waiting: str = ""


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What to ask for when an archive cannot be read at once: a tier ('none': nothing), and for how many days."""

    tier: str = "none"
    days: int = 7


def restore(
    driver: Driver,
    conversation_id: str,
    options: Mapping[str, Any],
    *,
    source: str,
    name: str = "",
    wait: Retrieval | None = None,
    dry_run: bool = False,
) -> Restored:
    """Fills the empty workspace of a conversation that does not run with an archive of conversation `source`.

    `name` is the archive's, by default the newest. An interrupted restore is finished by the next one.
    """
    settings(conversation_id, options)  # as good a name as the source's
    wanted = settings(source, options)
    with told(f"restore the workspace of conversation {conversation_id}"):
        root, owners = workspace(driver, conversation_id), ids.of_daemon(driver.host())
        insist_on_rest(driver, conversation_id)
        store = Store(wanted, source)
        found = store.manifest(_chosen(store, name))
        archive = shown(store, found)
        begun = place.begun(root)
        if begun not in (None, place.RESTORING, found.name):
            raise ArchiveError(
                f"cannot restore archive {found.name} into conversation {conversation_id}: the restore of {begun} was "
                "interrupted there; run that one again first"
            )
        if begun != found.name:
            if _is_there(root, owners, found, conversation_id):
                return Restored(archive=archive, changed=False)
            _insist_on_room(root, found)
        if dry_run:
            return Restored(archive=archive, changed=True)
        if begun != found.name:
            try:
                pieces = store.workspace(found.name)
            except Archived:
                return _ask_for(store, found, wait or Retrieval())
            _download(pieces, root, owners, found)
        place.move_up(root, found.name)
    return Restored(archive=archive, changed=True)


def _chosen(store: Store, name: str) -> str:
    there = store.names()
    if not there:
        raise ArchiveError(
            f"cannot find an archive under {store.address}: none there is whole; correct the "
            "conversation, prefix or bucket, or see whether a lifecycle rule has ended it"
        )
    if name and name not in there:
        raise ArchiveError(f"cannot find archive {name!r}: whole ones are {', '.join(there)}; choose one of them")
    return name or there[-1]


def _is_there(root: Path, owners: Ids, found: Manifest, conversation_id: str) -> bool:
    """Whether the volume has the archive's content already. Any other content is refused."""
    if all(entry.name == place.RESTORING for entry in root.iterdir()):
        return False
    if survey.summed_up(tree.walk(root, owners)) == found.tree:
        return True
    raise ArchiveError(
        f"cannot restore into conversation {conversation_id}: its workspace has other files; restore into a new "
        "conversation"
    )


def _insist_on_room(root: Path, found: Manifest) -> None:
    free = os.statvfs(root)
    if found.size > free.f_bavail * free.f_frsize:
        raise ArchiveError(
            f"cannot restore archive {found.name}: it has {found.size} bytes even packed, and the volume has room for "
            f"{free.f_bavail * free.f_frsize}; give the conversation a larger disk_limit"
        )


def _ask_for(store: Store, found: Manifest, wait: Retrieval) -> Restored:
    """The archive must be retrieved: asks for that, or says how long it would take."""
    head = store.head(found.name)
    storage_class = str(head.get("StorageClass"))
    times = retrieval.choices(storage_class)
    if retrieval.under_way(head):
        waiting = f"its retrieval from {storage_class} is under way ({times}); run the task again later"
        return Restored(archive=shown(store, found), changed=False, waiting=waiting)
    if wait.tier == "none":
        raise ArchiveError(
            f"cannot restore archive {found.name}: it is in storage class {storage_class}, and a retrieval takes: "
            f"{times}; set retrieval to one of them, then run the task again when the time is over"
        )
    problem = retrieval.problem(storage_class, wait.tier)
    if problem:
        raise ArchiveError(f"cannot restore archive {found.name}: {problem}")
    store.retrieve(found.name, wait.tier, wait.days)
    time_needed = retrieval.TIMES[storage_class][wait.tier]
    waiting = f"its retrieval from {storage_class} was requested and takes {time_needed}; run the task again then"
    return Restored(archive=shown(store, found), changed=True, waiting=waiting)


def _download(pieces: Iterator[bytes], root: Path, owners: Ids, found: Manifest) -> None:
    """Unpacks aside, compares with the manifest, and only then lets it count."""
    staging = place.make_room(root)
    try:
        with Decompressed(pieces) as stream:
            descriptor = os.open(staging, tree.OPEN_DIRECTORY)
            try:
                top = unpack.unpack(stream, descriptor, owners)
            finally:
                os.close(descriptor)
            stream.drain()
        if stream.sha256 != found.sha256 or top is None:
            raise ArchiveError(
                f"cannot restore archive {found.name}: its checksum is {stream.sha256}, and its manifest says "
                f"{found.sha256}; it is damaged, choose another one"
            )
        summed = survey.summed_up(tree.walk(staging, owners))
        if summed != found.tree:
            raise ArchiveError(
                f"cannot restore archive {found.name}: what was unpacked ({summed}) differs from its manifest "
                f"({found.tree}); look at the disk"
            )
        descriptor = os.open(root, tree.OPEN_DIRECTORY)
        try:
            unpack.set_attributes(descriptor, top, owners)
        finally:
            os.close(descriptor)
    except BaseException:
        place.clear(root)
        raise
    place.commit(root, found.name)
