# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``verify``: reads the audit log, rotated files too, and says whether anything was edited, removed or cut off."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from .audit import KEY_NAME, NOTE_NAME
from .chain import Verifier, read_note


def verify(log: Path, state: Path) -> Verifier:
    """Check every file of a log against its chain and the keyed note."""
    key = (state / KEY_NAME).read_bytes()
    note = state / NOTE_NAME
    verifier = Verifier(read_note(key, note.read_bytes()) if note.exists() else None)
    for file in _in_order(log):
        number = 0
        try:
            for number, line in enumerate(_lines(file), 1):
                verifier.feed(line, f"{file.name}:{number}")
        except (OSError, EOFError, zlib.error) as error:
            verifier.problems.append(f"{file.name}:{number + 1}: cannot be read: {error}")
    verifier.finish()
    return verifier


def _in_order(log: Path) -> list[Path]:
    """Sort the files by the number of their first line; their names are logrotate's business."""
    files = [file for file in log.parent.glob(f"{log.name}*") if file.is_file()]
    return sorted(files, key=_first_number)


def _first_number(file: Path) -> float:
    try:
        return float(json.loads(next(_lines(file)))["seq"])
    except (
        StopIteration,
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        OverflowError,
        OSError,
        EOFError,
        zlib.error,
    ):
        return float("inf")


def _lines(file: Path) -> Iterator[bytes]:
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        yield from lines
