# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strace wrote (``-f -y -X raw``) -> calls with their numbers, and file accesses in AppArmor's letters. Pure."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

OPTIONS = ("-f", "-qq", "-y", "-X", "raw", "-s", "4096")

_LINE = re.compile(r"^(?P<pid>\d+) +(?:<\.\.\. )?(?P<name>\w+)(?P<resumed> resumed>)?\(?(?P<rest>.*)$")
_RESULT = re.compile(r"\) += (?P<value>-?\w+|\?)(?:<(?P<path>/[^>]*)>|<[^>]*>)?(?: .*)?$")
_PATH_OF_DESCRIPTOR = re.compile(r"^-?\w+<(/.*)>$")
_SOCKET_NAME = re.compile(r'sun_path="([^"]+)"')
# AppArmor writes a folder with a slash at its end.
O_DIRECTORY = 0o200000
_WORDS = {"AT_FDCWD": -100, "NULL": 0}

# What strace 6.1 of Debian 12 has no name for yet.
_NEWER_THAN_STRACE = {"syscall_0x1c4": "fchmodat2", "syscall_0x1ce": "mseal"}

# Position of the path, or of the folder's descriptor and the path; and the letters of such an access.
_BY_PATH = {
    **dict.fromkeys(("mkdir", "unlink", "rmdir", "creat", "truncate", "chmod", "chown", "utime", "mknod"), ((0,), "w")),
    **dict.fromkeys(("mkdirat", "unlinkat", "fchmodat", "fchownat", "mknodat", "utimensat"), ((0, 1), "w")),
    "rename": ((0,), "rw"),
    "execve": ((0,), "x"),
}


class Call(NamedTuple):
    """A call that has ended. ``args`` are its arguments as text; ``result`` is negative for a failure."""

    name: str
    args: tuple[str, ...]
    result: int
    path: str | None

    def numbers(self) -> tuple[int, ...]:
        """The arguments as numbers, 0 where one is a text or a structure; six of them."""
        found = [_number(arg) for arg in self.args] + [0] * 6
        return tuple(found[:6])


def _number(text: str) -> int:
    word = text.split("<", 1)[0].split(" ", 1)[0]
    if word in _WORDS:
        return _WORDS[word] & 0xFFFFFFFFFFFFFFFF
    if word.startswith("flags="):
        word = word.removeprefix("flags=")
    if "|" in word:
        return functools.reduce(operator.or_, map(_number, word.split("|")))
    octal = len(word) > 1 and word.startswith("0") and word.isdigit()
    try:
        return int(word, 8 if octal else 0) & 0xFFFFFFFFFFFFFFFF
    except ValueError:
        return 0


def _split(text: str) -> list[str]:
    """The arguments of a call: split at commas outside of quotes, brackets and names of descriptors."""
    parts, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == '"' and text[position - 1 : position] != "\\":
            quoted = not quoted
        elif not quoted and character in "[{(<":
            depth += 1
        elif not quoted and character in "]})>":
            depth = max(0, depth - 1)
        elif character == "," and not quoted and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """The calls of a trace; one that was interrupted by another process's line is put together again."""
    begun: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if not found:
            continue
        pid, name, rest = found["pid"], found["name"], found["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            continue
        if found["resumed"]:
            rest = begun.pop(pid, "") + rest
        end = _RESULT.search(rest)
        if end:
            value = end["value"]
            result = -1 if value.startswith(("-", "?")) else _number(value)
            yield Call(_NEWER_THAN_STRACE.get(name, name), tuple(_split(rest[: end.start()])), result, end["path"])


def _joined(call: Call, positions: tuple[int, ...]) -> str | None:
    path = call.args[positions[-1]].strip('"')
    if path.startswith("/") or len(positions) == 1:
        return path if path.startswith("/") else None
    folder = _PATH_OF_DESCRIPTOR.match(call.args[positions[0]])
    return f"{folder[1]}/{path}" if folder else None


def access(call: Call) -> tuple[str, str] | None:
    """Path and letters (r w x m k) of a file access that succeeded, as AppArmor would see it."""
    if call.result < 0:
        return None
    if call.name in ("open", "openat", "openat2") and call.path:
        flags = call.numbers()[1 if call.name == "open" else 2]
        slash = "/" if flags & O_DIRECTORY and call.path != "/" else ""
        return call.path + slash, {0: "r", 1: "w"}.get(flags & 3, "rw")
    if call.name == "mmap" and call.numbers()[2] & 4:
        mapped = _PATH_OF_DESCRIPTOR.match(call.args[4])
        return (mapped[1], "m") if mapped else None
    if call.name == "flock":
        locked = _PATH_OF_DESCRIPTOR.match(call.args[0])
        return (locked[1], "k") if locked else None
    if call.name in ("connect", "bind"):
        named = _SOCKET_NAME.search(call.args[1])
        return (named[1], "w") if named and named[1].startswith("/") else None
    if call.name in _BY_PATH:
        positions, letters = _BY_PATH[call.name]
        path = _joined(call, positions)
        return (path, letters) if path else None
    return None
