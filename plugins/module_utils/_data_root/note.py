# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of a conversion under way: what a later run must know when this one is cut short.

Note that this module util is PRIVATE to the collection.

It is written before the first change and removed after the last. What it names may be thrown away and made anew as long
as the conversion has not been committed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Note:
    """``act`` is convert, remount, return or grow; ``source`` what is filled or mounted; ``active``: Docker ran."""

    act: str
    source: str
    active: bool


def read(path: Path) -> Note | None:
    try:
        return Note(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # Cut off while it was written, so before the first change.
        return None


def write(path: Path, note: Note) -> None:
    with path.open("w") as stream:
        json.dump(asdict(note), stream)
        stream.flush()
        os.fsync(stream.fileno())
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
