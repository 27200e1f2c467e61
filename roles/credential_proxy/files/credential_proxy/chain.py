# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of the audit log, without files: lines that name the hash of the line before, and a keyed note of the last.

Whoever edits, removes or swaps lines breaks the hashes; whoever cuts off the end or writes a whole new log does not
match the note, which is kept elsewhere and cannot be made without its key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

GENESIS: Final = "0" * 64
KEY_BYTES: Final = 32
_NOTE: Final = re.compile(rb"([0-9]{1,20}) ([0-9a-f]{64}) ([0-9a-f]{64}) *\n")
_MOST_LINES: Final = 10**20
_UNREADABLE: Final = (ValueError, TypeError, KeyError, RecursionError)
NOTE_BYTES: Final = 20 + 1 + 64 + 1 + 64 + 1
_encode: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_NUMBERS: Final = frozenset((int, float))
quote: Final = json.encoder.encode_basestring_ascii
"""Writes a text as JSON, in ASCII."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last line: its number and its SHA-256."""

    seq: int = 0
    digest: str = GENESIS


def fragment(facts: Mapping[str, Any]) -> str:
    """Write facts as the inside of a JSON object, a comma before each; texts and numbers go the short way."""
    return "".join(
        [
            f',"{name}":{value!r}'
            if type(value) in _NUMBERS
            else f',"{name}":{quote(value) if isinstance(value, str) else _encode(value)}'
            for name, value in facts.items()
        ]
    )


class Chain:
    """Makes the lines: number, hash of the line before, time, event."""

    def __init__(self, *, position: Position, clock: Callable[[], float] = time.time) -> None:
        """Go on after this line."""
        self.seq = position.seq
        self._digest = position.digest
        self._clock = clock
        self._second = -1
        self._stamp = ""

    @property
    def position(self) -> Position:
        """Return the last accepted line."""
        return Position(self.seq, self._digest)

    def lines(self, wanted: Iterable[tuple[str, str]]) -> tuple[bytes, Position]:
        """Write the next lines (event and facts, which are a fragment), all with the time of now.

        They count only after ``accept``, so that lines which were not written leave no hole.
        """
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        stamp = f"{self._stamp}.{int((now - second) * 1000):03d}+00:00"
        seq, digest = self.seq, self._digest
        written = []
        for event, facts in wanted:
            seq += 1
            line = f'{{"seq":{seq},"prev":"{digest}","ts":"{stamp}","event":"{event}"{facts}}}\n'.encode("ascii")
            digest = hashlib.sha256(line).hexdigest()
            written.append(line)
        return b"".join(written), Position(seq, digest)

    def accept(self, position: Position) -> None:
        """Make the last of the lines that were written the last one."""
        self.seq, self._digest = position.seq, position.digest


def note(key: bytes, position: Position) -> bytes:
    """Write the keyed note of the last line; always of the same length, so that one write replaces the old one."""
    text = f"{position.seq} {position.digest}"
    mac = hmac.digest(key, text.encode("ascii"), "sha256").hex()
    return f"{text} {mac}".ljust(NOTE_BYTES - 1).encode("ascii") + b"\n"


def read_note(key: bytes, content: bytes) -> Position | None:
    """Read a note; None for one that this key did not make."""
    match = _NOTE.fullmatch(content)
    if match is None:
        return None
    position = Position(int(match[1]), match[2].decode("ascii"))
    return position if hmac.compare_digest(note(key, position), content) else None


def position_of(line: bytes) -> Position:
    """Read number and hash of a log's last line; a log without a readable one begins anew."""
    if not line:
        return Position()
    try:
        seq = _number(json.loads(line)["seq"])
    except _UNREADABLE:
        seq = 0
    return Position(seq, hashlib.sha256(line).hexdigest())


def _number(value: object) -> int:
    """Return the number of a line, or how many there are; a number that no log has is a ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST_LINES:
        raise ValueError(value)
    return value


class Verifier:
    """Fed with the lines of a log in their order; collects what is wrong, each problem with its line."""

    def __init__(self, noted: Position | None) -> None:
        """Begin before the first line, which may be any up to the noted one: older files are deleted after their time.

        ``unnoted`` counts lines that nobody can prove: written after the note of their time, just now or just before a
        kill, by the service or by whoever could write the file.
        """
        self.problems: list[str] = []
        self.first: int | None = None
        self.last = Position()
        self.unnoted = 0
        self._noted = noted
        self._first_follows = ""
        self._stopped = False

    def feed(self, line: bytes, where: str) -> None:
        """Check one line, with its line feed."""
        try:
            record = json.loads(line)
            seq, prev, event = _number(record["seq"]), record["prev"], record["event"]
            missing, unnoted = _number(record.get("missing", 0)), _number(record.get("unnoted", 0))
        except _UNREADABLE:
            self.problems.append(f"{where}: not a line of an audit log")
            return
        if self.first is None:
            self.first, self._first_follows = seq, prev
        elif prev != self.last.digest:
            self.problems.append(f"{where}: line {seq} does not follow line {self.last.seq}: {self._cause(seq)}")
        elif seq != self.last.seq + 1:
            self.problems.append(f"{where}: line {seq} has the wrong number, {self.last.seq + 1} was due")
        if event == "start":
            if missing:
                self.problems.append(f"{where}: at this start the log ended {missing} lines too early")
            self.unnoted += unnoted
        elif self._stopped:
            self.problems.append(f"{where}: line {seq} was added while the service was stopped")
        self._stopped = event == "stop"
        self.last = Position(seq, hashlib.sha256(line).hexdigest())
        if self._noted is not None and self._noted.seq == seq and self._noted.digest != self.last.digest:
            self.problems.append(f"{where}: line {seq} is not the one that was written")

    def finish(self) -> None:
        """Compare the end with the note, which was read before the log: the log may only be ahead of it."""
        if self._noted is None:
            self.problems.append("the note of the last line is missing, or was not made with the key")
        elif self._noted.seq > self.last.seq:
            self.problems.append(f"the log ends at line {self.last.seq}, but line {self._noted.seq} was written")
        else:
            noted, first = self._noted.seq, self.first or 0
            if first > noted and (first, self._first_follows) != (noted + 1, self._noted.digest):
                self.problems.append(f"the log begins at line {first}, which does not follow line {noted}")
            self.unnoted += self.last.seq - noted

    def _cause(self, seq: int) -> str:
        expected = self.last.seq + 1
        if seq > expected:
            return f"lines {expected} to {seq - 1} are missing"
        if seq < expected:
            return "lines are out of order, or a log was begun anew"
        return f"line {self.last.seq} was edited"
