# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a page asks its reader to do, in order. Pure: Markdown in, steps out.

======================  ================================================================================================
in the page             what a reader does
======================  ================================================================================================
``console`` block       types what follows ``$`` where Ansible runs, and what follows ``#`` on the host, as root. A line
                        that ends with a backslash goes on. Any other line is what is then printed, and is insisted on;
                        ``…`` stands for anything.
``yaml`` or ``ini``,    writes it to the file that the comment names
if the first line is a
comment with a path
any other block         reads it
``<!-- by hand: … -->`` above a block: does it in a way of his own, for the reason given, or not at all
``<!-- types: … -->``   above a block: types this when a command of it asks
======================  ================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_FENCE = re.compile(
    r"^(?: *<!-- (?P<note>by hand|types): (?P<said>[^\n]*?) -->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_FILE = re.compile(r"^# ([\w./-]+\.(?:yml|cfg))$")
COMMANDS = {"", "bash", "sh", "shell", "console"}


@dataclass(frozen=True)
class Command:
    """One command: where it is typed, and what must be printed then."""

    line: int
    on_host: bool
    text: str
    typed: str
    printed: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """A file to write, where Ansible runs."""

    line: int
    path: str
    text: str


@dataclass(frozen=True)
class ByHand:
    """Commands that no script can take from the page, and why."""

    line: int
    text: str
    reason: str


Step = Command | File | ByHand


@dataclass
class _Typed:
    line: int
    on_host: bool
    text: str
    printed: list[str] = field(default_factory=list)


def steps(markdown: str) -> list[Step]:
    """The steps of a page.

    :raises ValueError: for a block that looks like commands and does not say where they are typed.
    """
    found: list[Step] = []
    for block in _FENCE.finditer(markdown):
        line = markdown.count("\n", 0, block.start("text")) + 1
        text = re.sub(rf"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
        if block["note"] == "by hand":
            found.append(ByHand(line, text, block["said"]))
        elif block["language"] in ("yaml", "ini") and (path := _FILE.match(text.partition("\n")[0])):
            found.append(File(line, path[1], text))
        elif block["language"] == "console":
            found += _commands(line, text, block["said"] or "")
        elif block["language"] in COMMANDS:
            raise ValueError(f"line {line}: a block of commands is 'console', with $ or # before each; else say 'text'")
    return found


def _commands(first: int, text: str, typed: str) -> Iterator[Command]:
    """The commands of a ``console`` block."""
    current: _Typed | None = None
    for line, words in enumerate(text.splitlines(), first):
        if current and current.text.endswith("\\"):
            current.text = f"{current.text}\n{words}"
        elif words[:2] in ("$ ", "# "):
            if current:
                yield _finished(current, typed)
            current = _Typed(line, words[0] == "#", words[2:])
        elif current is None:
            raise ValueError(f"line {line}: a block of commands begins with $ (where Ansible runs) or # (on the host)")
        elif words.strip():
            current.printed.append(words)
    if current:
        yield _finished(current, typed)


def _finished(command: _Typed, typed: str) -> Command:
    return Command(command.line, command.on_host, command.text, typed, tuple(command.printed))


def is_printed(wanted: str, output: str) -> bool:
    """Whether a printed line is among the output, spaces aside; an ellipsis stands for anything."""
    pattern = r"\s*.*".join(re.escape(" ".join(part.split())) for part in wanted.split("…"))
    return any(re.search(pattern, " ".join(line.split())) for line in output.splitlines())
