# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the archive's content comes to lie: first aside, then, complete and verified, in its place.

Note that this module util is PRIVATE to the collection.

RESTORING holds what is being unpacked; an interrupted run leaves it, and the next one begins anew. Once its content is
verified it is renamed to RESTORED.NAME, in one step. From there on nothing is unpacked again: an interrupted run has
moved some of the content up, and the next one moves the rest. Both belong to the host's root, which nobody in a
container with user namespaces can imitate.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from .errors import ArchiveError
from .manifest import is_name

RESTORING = ".bulkhead-restoring"
RESTORED = ".bulkhead-restored."


def _is_ours(root: Path, name: str) -> bool:
    status = os.lstat(root / name)
    return stat.S_ISDIR(status.st_mode) and (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o700)


def begun(root: Path) -> str | None:
    """RESTORING when an unpacking was interrupted, the archive's name when a moving was; else None."""
    for name in (entry.name for entry in root.iterdir()):
        if name == RESTORING and _is_ours(root, name):
            return RESTORING
        if name.startswith(RESTORED) and is_name(name.removeprefix(RESTORED)) and _is_ours(root, name):
            return name.removeprefix(RESTORED)
    return None


def insist_on_whole(root: Path) -> None:
    if begun(root):
        raise ArchiveError(
            "cannot save the workspace: a restore into it was interrupted; run that again until it is done"
        )


def make_room(root: Path) -> Path:
    """An empty RESTORING."""
    staging = root / RESTORING
    if begun(root) == RESTORING:
        shutil.rmtree(staging)
    staging.mkdir(mode=0o700)
    staging.chmod(0o700)
    return staging


def clear(root: Path) -> None:
    shutil.rmtree(root / RESTORING, ignore_errors=True)


def commit(root: Path, name: str) -> None:
    """From here on the content counts as restored."""
    (root / RESTORING).rename(root / (RESTORED + name))


def move_up(root: Path, name: str) -> None:
    """Each name of the content to the top, however many are there already; then the empty RESTORED.NAME goes."""
    staging = root / (RESTORED + name)
    for entry in staging.iterdir():
        entry.rename(root / entry.name)
    staging.rmdir()
