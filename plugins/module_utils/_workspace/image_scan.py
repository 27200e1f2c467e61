# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is questionable about an image: files that change the user when they run, and a root user of its own.

Neither does harm in a workspace (no-new-privileges, and a user of our choice), but both say that the image was made for
something else. An image never changes, so each is searched once until the host's next start.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from threading import Lock

from . import kernel
from .specification import Image

NOTES = Path("/run/bulkhead/images")
_MOST_DIRECTORIES = 50_000
_ROOT = re.compile(r"(?:0+|root)?(?::.*)?")
_one_at_a_time = Lock()


def runs_as_root(image: Image) -> bool:
    """Whether the image itself names root, or nobody, which is root too."""
    return bool(_ROOT.fullmatch(image.user))


def setuid_files(image: Image, pid: int, notes: Path = NOTES) -> tuple[str, ...]:
    """Paths of the image's setuid and setgid files, seen through the root of a container's first process."""
    note = notes / f"{image.id.rpartition(':')[2]}.json"
    with _one_at_a_time:
        try:
            return tuple(json.loads(note.read_text()))
        except (OSError, ValueError):
            root = kernel.PROC / str(pid) / "root"
            found = _search(root)
        if not root.is_dir():
            return found  # The container has ended meanwhile: perhaps these are not all.
        fresh = note.with_suffix(".new")
        try:
            notes.mkdir(mode=0o755, parents=True, exist_ok=True)
            fresh.write_text(json.dumps(found))
            fresh.replace(note)
        except OSError:
            # Without the note the next container of this image is searched again.
            return found
    return found


def _search(root: Path) -> tuple[str, ...]:
    """The image's own file system only; what is mounted into the container is no part of the image."""
    top = os.fspath(root)
    found: list[str] = []
    try:
        device = root.stat().st_dev
    except OSError:
        return ()
    pending = [top]
    seen = 0
    while pending and seen < _MOST_DIRECTORIES:
        seen += 1
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        if status.st_dev == device:
                            pending.append(entry.path)
                    elif stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                        found.append(entry.path[len(top) :])
        except OSError:
            continue
    return tuple(sorted(found))
