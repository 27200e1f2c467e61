# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure decisions about /etc/subuid and /etc/subgid.

Note that this module util is PRIVATE to the collection.

Two users who share subordinate ids are one user to the kernel: the root of the one's containers owns the
files of the other's. So a range that overlaps any other is refused, never trimmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """One line `owner:start:count`."""

    owner: str
    start: int
    count: int

    def overlaps(self, other: Range) -> bool:
        return self.start < other.start + other.count and other.start < self.start + self.count

    def __str__(self) -> str:
        return f"{self.owner}:{self.start}:{self.count}"


def parse_ranges(text: str) -> list[Range]:
    """The well-formed lines; newuidmap and dockerd pass over the others too."""
    found = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) == 3 and fields[1].isdecimal() and fields[2].isdecimal():
            found.append(Range(fields[0], int(fields[1]), int(fields[2])))
    return found


def problems_with(
    wanted: Range, text: str, *, path: str, aliases: Iterable[str], accounts: Mapping[int, str]
) -> list[str]:
    """What stands against wanted in the file `path` with `text`.

    `aliases` are other spellings of the owner (his number), `accounts` the host's own ids and their names.
    """
    act = f"cannot add {wanted} to {path}"
    own = {wanted.owner, *aliases}
    problems = []
    for other in parse_ranges(text):
        if other.owner in own and (other.start, other.count) != (wanted.start, wanted.count):
            problems.append(f"{act}: {wanted.owner} already has {other}; use that range or remove the line")
        elif other.owner not in own and wanted.overlaps(other):
            problems.append(f"{act}: it overlaps {other}; choose a free range")
    taken = [
        f"{name} ({number})"
        for number, name in sorted(accounts.items())
        if wanted.start <= number < wanted.start + wanted.count
    ]
    if taken:
        problems.append(f"{act}: it contains accounts of the host: {', '.join(taken)}; choose a free range")
    return problems


def with_range(wanted: Range, text: str, *, aliases: Iterable[str]) -> str:
    """text with the line of wanted, every other line as it was."""
    own = {wanted.owner, *aliases}
    if any(line.owner in own and line.start == wanted.start for line in parse_ranges(text)):
        return text
    return f"{text}\n{wanted}\n" if text and not text.endswith("\n") else f"{text}{wanted}\n"


def without_range(unwanted: Range, text: str, *, aliases: Iterable[str]) -> str:
    """text without the lines of unwanted, every other line as it was."""
    own = {unwanted.owner, *aliases}

    def is_it(line: str) -> bool:
        return any(
            found.owner in own and (found.start, found.count) == (unwanted.start, unwanted.count)
            for found in parse_ranges(line)
        )

    return "".join(line for line in text.splitlines(keepends=True) if not is_it(line))
