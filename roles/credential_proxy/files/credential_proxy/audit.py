# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log on disk: one JSON line per event, chained, with the keyed note of the last line in another directory.

No header value, query or body ever gets here. Texts of the client are cut and escaped to ASCII.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .chain import KEY_BYTES, Chain, fragment, note, position_of, read_note
from .limits import AUDIT_TEXT, MIB

KEY_NAME: Final = "audit.key"
NOTE_NAME: Final = "audit.last"
_LAST_LINE_BYTES: Final = 1 * MIB


def clip(text: str) -> str:
    """Shorten a client's text; what was cut off is counted."""
    return text if len(text) <= AUDIT_TEXT else f"{text[:AUDIT_TEXT]}...+{len(text) - AUDIT_TEXT}"


def read_key(directory: Path) -> bytes:
    """Read the key of the note; the first start makes it."""
    path = directory / KEY_NAME
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(errno.EINVAL, f"{path} does not hold {KEY_BYTES} bytes; remove it, and the note beside it")
    return key


class AuditLog:
    """Appends to the file and stands for it: a line that cannot be written raises OSError, and no request is served."""

    def __init__(
        self,
        path: Path,
        state: Path,
        *,
        clock: Callable[[], float] = time.time,
        owe_note: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the file and go on with its chain; what is wrong with its end is said in the first line.

        ``owe_note`` is called after the first line that the note does not know: ``write_note`` should follow soon.
        """
        self.clock = clock
        self._owe_note = owe_note
        self._owes_note = False
        self._note_failed = False
        self.key = read_key(state)
        self._path = path
        self._descriptor = self._open()
        self._lost = 0
        last, torn = self._last_line()
        position = position_of(last)
        self._note = os.open(state / NOTE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        before = os.pread(self._note, 4096, 0)
        noted = read_note(self.key, before)
        if not last and noted is not None:
            position = noted  # A rotation has just taken the lines away.
        self._chain = Chain(position=position, clock=clock)
        if torn:
            os.write(self._descriptor, b"\n")
        facts: dict[str, Any] = {"gap": True} if torn else {}
        if noted is not None and noted.seq > position.seq:
            facts["missing"] = noted.seq - position.seq
        elif before and noted is None:
            facts["note"] = "unreadable"
        elif noted is not None and noted.seq < position.seq:
            facts["unnoted"] = position.seq - noted.seq
        self.write("start", facts)
        self.write_note()

    @property
    def healthy(self) -> bool:
        """Tell whether the last line could be written."""
        return not self._lost

    @property
    def lines(self) -> int:
        """Return the number of the last line."""
        return self._chain.seq

    def write(self, event: str, facts: dict[str, Any]) -> int:
        """Append one line and return its number."""
        return self.append(event, fragment(facts))

    def append(self, event: str, facts: str) -> int:
        """Append one line, whose facts are a fragment, and return its number; a short write is taken back."""
        if self._lost:
            facts += f',"lost":{self._lost}'
        line = self._chain.line(event, facts)
        try:
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
                raise OSError(errno.ENOSPC, "the line was written in part only")
        except OSError as error:
            if not self._lost:
                print(f"cannot write {self._path}: {error}; no request is served until it can be", file=sys.stderr)
            self._lost += 1
            raise
        self._lost = 0
        self._chain.accept(line)
        if not self._owes_note:
            self._owes_note = True
            self._owe_note()
        return self._chain.seq

    def write_note(self) -> None:
        """Note the last line, however many were written since the last note."""
        try:
            os.pwrite(self._note, note(self.key, self._chain.position), 0)
        except OSError as error:
            if not self._note_failed:
                print(f"cannot note the last line of {self._path}: {error}; trying again", file=sys.stderr)
            self._note_failed = True
            self._owe_note()
            return
        self._owes_note = self._note_failed = False

    def reopen(self) -> None:
        """Go on in a new file after logrotate moved the old one; the chain goes on with it."""
        fresh = self._open()
        os.close(self._descriptor)
        self._descriptor = fresh

    def close(self) -> None:
        """Write the last line and close."""
        with contextlib.suppress(OSError):  # Nothing is served any more; the missing "stop" line is itself the mark.
            self.write("stop", {})
        self.write_note()
        os.close(self._descriptor)
        os.close(self._note)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)

    def _last_line(self) -> tuple[bytes, bool]:
        """Return the last whole line, with its line feed, and whether a torn one follows it."""
        size = os.fstat(self._descriptor).st_size
        start = max(0, size - _LAST_LINE_BYTES)
        tail = os.pread(self._descriptor, size - start, start)
        whole, feed, rest = tail.rpartition(b"\n")
        return whole.rpartition(b"\n")[2] + feed, bool(rest)
