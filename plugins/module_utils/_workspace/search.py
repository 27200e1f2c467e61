# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Looks for the bytes of credentials where they must never be: environments, memory and files of a container.

Bounded: it stops at the limits below and says so. What it found is named by place; the secret itself is never
returned. Files are opened without following links, so a container cannot lead the search out of its own tree.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .._mountinfo import Mount, parse_mounts
from . import credentials, sealed
from .errors import WorkspaceError
from .facts import SecretSearch
from .kernel import PROC, container_pids, text_of

CHUNK = 1 << 20
MEMORY_LIMIT = 1 << 30
ALL_MEMORY_LIMIT = 8 << 30
FILES_LIMIT = 1 << 30
FILE_COUNT_LIMIT = 50_000

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (r[-w][-x][ps]) \S+ \S+ \S+ *(.*)")
# Kernel pages that are the same in every process.
_KERNEL_MAPPINGS = frozenset({"[vvar]", "[vsyscall]", "[vdso]", "[vvar_vclock]"})


class _Tally:
    """Counts bytes against a limit, and keeps what was found and what was left out."""

    def __init__(self, needles: Sequence[bytes]) -> None:
        self.needles = needles
        self.overlap = max(len(needle) for needle in needles) - 1
        self.bytes = 0
        # Bytes of memory that may still be read, of all processes together.
        self.memory_left = ALL_MEMORY_LIMIT
        self.files = 0
        self.processes = 0
        self.hits: set[str] = set()
        self.incomplete: set[str] = set()

    def look(self, place: str, chunks: Iterable[bytes]) -> None:
        """Searches a stream; the end of each chunk is looked at again with the next."""
        rest = b""
        for chunk in chunks:
            self.bytes += len(chunk)
            window = rest + chunk
            if any(needle in window for needle in self.needles):
                self.hits.add(place)
            rest = window[-self.overlap :]


def read_needles(paths: Sequence[str]) -> tuple[bytes, ...]:
    """The byte strings to look for; a secret that cannot be read, or is too short, is an error and no silent skip."""
    found: set[bytes] = set()
    for path in paths:
        try:
            needles = credentials.needles(sealed.read_secret(Path(path)))
        except OSError as error:
            raise WorkspaceError(
                f"cannot read secret file {path}: {error.strerror}; correct secret_files, or run the task as root"
            ) from error
        if not needles:
            raise WorkspaceError(
                f"cannot search for the secret in {path}: it holds no string of {credentials.SHORTEST} bytes or "
                "more, and shorter ones occur by chance; take it out of secret_files"
            )
        found |= needles
    return tuple(sorted(found))


def search(pid: int, needles: Sequence[bytes], targets: Sequence[str]) -> SecretSearch:
    """Searches the processes of the container, its writable mounts (targets) and its own layer."""
    tally = _Tally(needles)
    for member in container_pids(pid):
        _search_process(member, tally)
    root = PROC / str(pid) / "root"
    budget = FILES_LIMIT
    for target in targets:
        budget = _search_reachable(root / target.lstrip("/"), target, budget, tally)
    mounts = parse_mounts(text_of(PROC / str(pid) / "mountinfo"))
    for layer in _own_layer(mounts):
        budget = _search_reachable(layer, "the container's layer", budget, tally)
    return SecretSearch(
        secrets=len(needles),
        processes=tally.processes,
        files=tally.files,
        bytes_searched=tally.bytes,
        hits=tuple(sorted(tally.hits)),
        incomplete=tuple(sorted(tally.incomplete)),
    )


def _search_process(pid: int, tally: _Tally) -> None:
    directory = PROC / str(pid)
    try:
        name = text_of(directory / "comm").strip()
        tally.look(f"environment of {name} ({pid})", [(directory / "environ").read_bytes()])
        tally.look(f"memory of {name} ({pid})", _memory(directory, name, tally))
        tally.processes += 1
    except (FileNotFoundError, ProcessLookupError):
        return


def _memory(directory: Path, name: str, tally: _Tally) -> Iterator[bytes]:
    left = min(MEMORY_LIMIT, tally.memory_left)
    with (directory / "mem").open("rb", buffering=0) as memory:
        for line in text_of(directory / "maps").splitlines():
            match = _MAPPING.match(line)
            if match is None or match[4] in _KERNEL_MAPPINGS:
                continue
            position, end = int(match[1], 16), int(match[2], 16)
            while position < end:
                if left <= 0:
                    tally.incomplete.add(f"memory of {name} beyond {MEMORY_LIMIT} bytes, or {ALL_MEMORY_LIMIT} in all")
                    return
                try:
                    chunk = os.pread(memory.fileno(), min(CHUNK, end - position), position)
                except OSError:
                    # A page without content, for example beyond the end of a mapped file.
                    break
                if not chunk:
                    break
                yield chunk
                position += len(chunk)
                left -= len(chunk)
                tally.memory_left -= len(chunk)


def _own_layer(mounts: Iterable[Mount]) -> list[Path]:
    root = next((mount for mount in mounts if mount.target == "/"), None)
    upper = root.super_options.get("upperdir") if root else None
    return [Path(upper)] if upper and Path(upper).is_dir() else []


def _search_reachable(top: Path, shown: str, budget: int, tally: _Tally) -> int:
    """Returns what is left of the budget."""
    try:
        return _search_tree(top, shown, budget, tally)
    except (RecursionError, OSError) as error:
        # Directories too deep to be walked, or more of them open than a process may have.
        tally.incomplete.add(f"files of {shown} after {type(error).__name__}")
        return budget


def _search_tree(top: Path, shown: str, budget: int, tally: _Tally) -> int:
    for _path, _directories, files, descriptor in os.fwalk(top, follow_symlinks=False):
        for name in files:
            if budget <= 0 or tally.files >= FILE_COUNT_LIMIT:
                tally.incomplete.add(f"files of {shown} beyond the limit")
                return 0
            before = tally.bytes
            tally.look(f"a file in {shown}", _file(name, descriptor, budget))
            tally.files += 1
            budget -= tally.bytes - before
    return budget


def _file(name: str, directory: int, budget: int) -> Iterator[bytes]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return
        descriptor = os.open(name, flags, dir_fd=directory)
    except OSError:
        # It went away, or became something else than a file.
        return
    try:
        while budget > 0 and (chunk := os.read(descriptor, CHUNK)):
            yield chunk
            budget -= len(chunk)
    finally:
        os.close(descriptor)
