# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: one JSON line per event, each naming the hash of the line before it, so that an edit breaks the chain.

No header value, query or body ever gets here. Texts of the client are cut and escaped to ASCII.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from .limits import AUDIT_TEXT, MIB

_GENESIS: Final = "0" * 64
_LAST_LINE_BYTES: Final = 1 * MIB


def clip(text: str) -> str:
    """Shorten a client's text; what was cut off is counted."""
    return text if len(text) <= AUDIT_TEXT else f"{text[:AUDIT_TEXT]}...+{len(text) - AUDIT_TEXT}"


class Chain:
    """Makes the lines: number, hash of the line before, time, event."""

    def __init__(self, *, seq: int = 0, prev: str = _GENESIS, clock: Callable[[], float] = time.time) -> None:
        """Go on after the line with this number and hash."""
        self.seq = seq
        self._prev = prev
        self._clock = clock

    def line(self, event: str, facts: dict[str, Any]) -> bytes:
        """Write the next line; it counts only after ``accept``, so a line that was not written leaves no hole."""
        stamp = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        record = {"seq": self.seq + 1, "prev": self._prev, "ts": stamp, "event": event, **facts}
        return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"

    def accept(self, line: bytes) -> None:
        """Make this line the last one."""
        self.seq += 1
        self._prev = hashlib.sha256(line).hexdigest()


class AuditLog:
    """Appends to the file and stands for it: a line that cannot be written raises OSError, and no request is served."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open the file and go on with its chain; a torn last line is closed and marked as a gap."""
        self._path = path
        self._descriptor = self._open()
        self._lost = 0
        last, torn = self._last_line()
        seq, prev = _position(last)
        self._chain = Chain(seq=seq, prev=prev, clock=clock)
        if torn:
            os.write(self._descriptor, b"\n")
        self.write("start", {"gap": True} if torn else {})

    @property
    def healthy(self) -> bool:
        """Tell whether the last line could be written."""
        return not self._lost

    def write(self, event: str, facts: dict[str, Any]) -> int:
        """Append one line and return its number; a short write is taken back."""
        if self._lost:
            facts = {**facts, "lost": self._lost}
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
        return self._chain.seq

    def reopen(self) -> None:
        """Go on in a new file after logrotate moved the old one; the chain goes on with it."""
        fresh = self._open()
        os.close(self._descriptor)
        self._descriptor = fresh

    def close(self) -> None:
        """Write the last line and close."""
        with contextlib.suppress(OSError):  # Nothing is served any more; the missing "stop" line is itself the mark.
            self.write("stop", {})
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)

    def _last_line(self) -> tuple[bytes, bool]:
        """Return the last whole line, with its line feed, and whether a torn one follows it."""
        size = os.fstat(self._descriptor).st_size
        start = max(0, size - _LAST_LINE_BYTES)
        tail = os.pread(self._descriptor, size - start, start)
        whole, feed, rest = tail.rpartition(b"\n")
        return whole.rpartition(b"\n")[2] + feed, bool(rest)


def _position(line: bytes) -> tuple[int, str]:
    """Read number and hash of the last line of an older run; start anew when there is none."""
    if not line:
        return 0, _GENESIS
    try:
        seq = json.loads(line)["seq"]
    except (ValueError, TypeError, KeyError):
        seq = 0
    return (seq if isinstance(seq, int) else 0), hashlib.sha256(line).hexdigest()
