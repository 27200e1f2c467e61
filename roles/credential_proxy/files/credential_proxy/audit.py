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
from typing import Any, Final, Protocol

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


class Author(Protocol):
    """Whoever acts on a line once it is written, and not before."""

    def not_written(self, number: int) -> None:
        """Undo what the line with this number says: it could not be written."""


class AuditLog:
    """Appends to the file and stands for it: what it cannot write must not happen, and no request is served.

    Lines wait for ``commit``, so that those of one round of the loop take one call; nothing that they speak of may
    leave before.
    """

    def __init__(
        self,
        path: Path,
        state: Path,
        *,
        clock: Callable[[], float] = time.time,
        owe_commit: Callable[[], None] = lambda: None,
        owe_note: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the file and go on with its chain; what is wrong with its end is said in the first line.

        ``owe_commit`` is called when the first line waits. ``owe_note`` is called after the first line that the note
        does not know: ``write_note`` should follow soon.
        """
        self.clock = clock
        self._owe_commit = owe_commit
        self._owe_note = owe_note
        self._waiting: list[tuple[str, str]] = []
        self._authors: list[tuple[int, Author]] = []
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
        # A log that cannot even be begun is no reason to serve.
        lines, begun = self._chain.lines([("start", fragment(facts))])
        self._write_whole(lines)
        self._chain.accept(begun)
        self.write_note()

    @property
    def healthy(self) -> bool:
        """Tell whether the last line could be written."""
        return not self._lost

    @property
    def lines(self) -> int:
        """Return the number of the last line."""
        return self._chain.seq

    def write(self, event: str, facts: dict[str, Any]) -> None:
        """Write one line now."""
        self.append(event, fragment(facts))
        self.commit()

    def append(self, event: str, facts: str, author: Author | None = None) -> int:
        """Have a line written, whose facts are a fragment; return the number that it will have."""
        waiting = self._waiting
        if not waiting:
            if self._lost:
                facts += f',"lost":{self._lost}'
            self._owe_commit()
        waiting.append((event, facts))
        number = self._chain.seq + len(waiting)
        if author is not None:
            self._authors.append((number, author))
        return number

    def commit(self) -> None:
        """Write what waits, all or nothing; what was not written is undone by those who said it."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        authors, self._authors = self._authors, []
        try:
            lines, position = self._chain.lines(waiting)
            self._write_whole(lines)
        except (OSError, UnicodeError) as error:
            if not self._lost:
                print(f"cannot write {self._path}: {error}; no request is served until it can be", file=sys.stderr)
            self._lost += len(waiting)
            for number, author in authors:
                author.not_written(number)
            return
        self._lost = 0
        self._chain.accept(position)
        if not self._owes_note:
            self._owes_note = True
            self._owe_note()

    def _write_whole(self, lines: bytes) -> None:
        """Write at the end; a short write is taken back."""
        written = os.write(self._descriptor, lines)
        if written != len(lines):
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(errno.ENOSPC, "the lines were written in part only")

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
        self.commit()
        fresh = self._open()
        os.close(self._descriptor)
        self._descriptor = fresh

    def close(self) -> None:
        """Write the last line and close."""
        # Nothing is served any more; a missing "stop" line is itself the mark.
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
