# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a host and what is wished, told in a line each. Pure, but for FOUND: what this run has found.

The callback fills FOUND in Ansible's own process; the processes that Ansible forks for later tasks see it through the
lookup.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_ABSENT = "(not there)"
_LONGEST = 100
# More than so many lines of one text are another text: they are counted, not told.
_LINES = 5
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """One field of one object that a task would change. ``field`` is empty where a module tells no more than that."""

    role: str
    task: str
    field: str = ""
    seen: str = ""
    wanted: str = ""

    def line(self) -> str:
        """For people."""
        where = ": ".join(part for part in (self.role, self.task, self.field) if part)
        return f"{where}: {self.seen} -> {self.wanted}" if self.field else f"{where}: would change"

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


FOUND: dict[str, list[Difference]] | None = None


def differences(role: str, task: str, result: Mapping[str, Any], target: str = "") -> list[Difference]:
    """What the result of a task, or of each of its loop's turns, says that it would change.

    ``target``: the path that the task was told, for results that do not name it.
    """
    turns = [turn for turn in result.get("results") or [result] if isinstance(turn, Mapping)]
    found = []
    for turn in turns:
        if turn.get("changed"):
            told = turn.get("diff") or []
            path = str(turn.get("dest") or turn.get("path") or target)
            fields = [
                field for diff in ([told] if isinstance(told, Mapping) else told) for field in _fields(diff, path)
            ]
            found += [Difference(role, task, *field) for field in fields] or [Difference(role, task)]
    return list(dict.fromkeys(found))


def _fields(diff: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    """Field, seen, wanted of one entry of Ansible's ``diff``."""
    if "before" not in diff or "after" not in diff:
        if prepared := str(diff.get("prepared", "")).strip():
            yield path or "text", "", _short(prepared)
        return
    before, after = _parsed(diff["before"]), _parsed(diff["after"])
    name = _name(diff, before, after, path)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from ((f"{name}{key}", seen, wanted) for key, seen, wanted in _keys(before, after))
    elif isinstance(before, str) and isinstance(after, str):
        yield from _lines(name.strip() or "text", before.splitlines(), after.splitlines())
    else:
        seen, wanted = (_short(_MISSING if side == "" else side) for side in (before, after))
        yield name.strip() or "content", seen, wanted


def _name(diff: Mapping[str, Any], before: Any, after: Any, path: str) -> str:
    """What the entry is about, with a space behind; empty where it does not say."""
    for side in (before, after):
        if isinstance(side, Mapping) and isinstance(side.get("path"), str):
            return f"{side['path']} "
    header = path or str(diff.get("before_header") or "")
    # What is wished may come from a file of the controller, whose directory says nothing about the host.
    header = header or str(diff.get("after_header") or "").rpartition("/")[2]
    return f"{header} " if header else ""


def _parsed(text: Any) -> Any:
    """The value of a JSON text; anything else as it is."""
    if isinstance(text, str) and text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _keys(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for key in dict.fromkeys([*before, *after]):
        seen, wanted = before.get(key, _MISSING), after.get(key, _MISSING)
        if isinstance(seen, Mapping) and isinstance(wanted, Mapping):
            yield from _keys(seen, wanted, f"{prefix}{key}.")
        elif seen != wanted:
            yield f"{prefix}{key}", _short(seen), _short(wanted)


def _lines(name: str, before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    if not before or not after:
        yield name, _extent(before), _extent(after)
        return
    found = []
    for act, first, last, new_first, new_last in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if act != "equal":
            for offset in range(max(last - first, new_last - new_first)):
                old = before[first + offset] if first + offset < last else _MISSING
                new = after[new_first + offset] if new_first + offset < new_last else _MISSING
                found.append((f"{name} line {first + offset + 1}", _short(old), _short(new)))
    if len(found) > _LINES:
        yield name, f"{len(found)} other lines", _extent(after)
    else:
        yield from found


def _extent(lines: Sequence[str]) -> str:
    return f"{len(lines)} lines" if len(lines) > 1 else _short(lines[0] if lines else _MISSING)


def _short(value: Any) -> str:
    if value is _MISSING:
        return _ABSENT
    text = " ".join((value if isinstance(value, str) else json.dumps(value, default=str)).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
