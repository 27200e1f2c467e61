# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation as Docker knows it: where its files are, and that nothing moves in it meanwhile.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._s3.errors import S3Error
from .._workspace import names
from .._workspace.driver import Driver
from .errors import ArchiveError


@contextmanager
def told(act: str) -> Iterator[None]:
    """One kind of error leaves here."""
    try:
        yield
    except S3Error as error:
        raise ArchiveError(f"cannot {act}: {str(error).removeprefix('cannot ')}") from error
    except OSError as error:
        where = f"{error.filename!r}: " if error.filename else ""
        raise ArchiveError(
            f"cannot {act}: {where}{error.strerror or error}; run as root, and look at the disk"
        ) from error


def workspace(driver: Driver, conversation_id: str) -> Path:
    """Where the host has the files of /workspace."""
    name = names.workspace_volume(conversation_id)
    volume = driver.volume(name)
    if volume is None:
        raise ArchiveError(
            f"cannot find the workspace of conversation {conversation_id}: Docker has no volume {name}; create the "
            "conversation with workspace_container, with workspace_storage: volume"
        )
    if not names.is_ours(volume.get("Labels"), conversation_id):
        raise ArchiveError(
            f"cannot take volume {name} for the workspace of conversation {conversation_id}: it has no label "
            f"{names.CONVERSATION}={conversation_id}; it was made by something else, choose another conversation_id"
        )
    return Path(volume["Mountpoint"])


@contextmanager
def quiet(driver: Driver, conversation_id: str, *, dry_run: bool) -> Iterator[None]:
    """Nothing in the container moves meanwhile."""
    name = names.container(conversation_id)
    container = driver.container(name)
    state = container["State"] if container else {}
    if dry_run or not state.get("Running") or state.get("Paused"):
        yield
        return
    driver.pause(name)
    try:
        yield
    finally:
        driver.unpause(name)


def insist_on_rest(driver: Driver, conversation_id: str) -> None:
    container = driver.container(names.container(conversation_id))
    if container is not None and container["State"]["Running"]:
        raise ArchiveError(
            f"cannot restore into conversation {conversation_id}: its container runs; stop it first "
            "(workspace_container with state: stopped)"
        )
