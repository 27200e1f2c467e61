# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note that a new daemon.json has been written but no daemon has run with it yet.

Note that this module util is PRIVATE to the collection.

Written before the file is replaced, removed when a daemon has answered. A run that is killed in between
leaves the note, so the next run knows that the restart is still due and which file was good.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

#: The clocks of the file system and of systemd may differ by a tick.
_TICK = 1.0


@dataclass(frozen=True)
class Note:
    """`backup` is the last good file; None means that there was none. `reload`: the daemon need not restart for it."""

    backup: str | None
    written: float
    reload: bool = False


def note_path(config: str) -> Path:
    return Path(f"{config}.pending")


def read_note(config: str) -> Note | None:
    path = note_path(config)
    try:
        said = json.loads(path.read_text())
        return Note(said["backup"], path.stat().st_mtime, bool(said.get("reload")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        # Killed in the middle of writing the note: then the file itself was not touched yet.
        return None


def write_note(config: str, backup: str | None, *, reload: bool = False) -> None:
    note_path(config).write_text(json.dumps({"backup": backup, "reload": reload}) + "\n")


def remove_note(config: str) -> None:
    note_path(config).unlink(missing_ok=True)


def restart_due(note: Note | None, daemon_started: float) -> bool:
    """Whether no daemon has started since the note was written."""
    return note is not None and daemon_started <= note.written + _TICK
