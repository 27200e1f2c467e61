# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workspace of 300 MB and 20,000 files, and a comparison of trees that shares no code with the collection."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from pathlib import Path
from typing import Any

FILES = 20_000
BYTES = 300_000_000
OWNERS = ((0, 0), (1000, 1000), (1000, 50), (33, 33), (65534, 65534))
MODES = (0o644, 0o755, 0o600, 0o444, 0o4755, 0o2750, 0o000)


def fill(root: Path, first_id: int, *, files: int = FILES, size: int = BYTES) -> None:
    """The same tree each time. `first_id`: the host's number for the container's 0."""
    chance = random.Random(7)  # noqa: S311  for the same tree each time
    noise = chance.randbytes(1 << 20)
    each = size // files
    for number in range(files):
        place = root / f"package-{number // 100 % 40}" / f"part-{number // 100}"
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"file-{number}"
        begin = chance.randrange(len(noise) - 1)
        # Half of it can be compressed, as source code can.
        half = (noise[begin:] + noise)[: each // 2]
        file.write_bytes(half + f"line {number}\n".encode() * ((each - len(half)) // len(f"line {number}\n")))
        _dress(file, number, first_id)
        if number % 500 == 0:
            os.link(file, place / f"link-to-{number}")
            (place / f"symlink-{number}").symlink_to(f"../{file.name}")
            os.lchown(place / f"symlink-{number}", first_id + 1000, first_id + 1000)
    with (root / "sparse").open("wb") as sparse:
        sparse.seek(1 << 33)
        sparse.write(b"the end")
    (root / "outside").symlink_to("/etc")
    os.mkfifo(root / "fifo")
    for name in ("sparse", "outside", "fifo"):
        os.lchown(root / name, first_id, first_id)
    for folder, _, _ in os.walk(root):
        os.chown(folder, first_id + 1000, first_id + 1000)


def _dress(file: Path, number: int, first_id: int) -> None:
    uid, gid = OWNERS[number % len(OWNERS)]
    os.chown(file, first_id + uid, first_id + gid)
    file.chmod(MODES[number % len(MODES)])
    os.utime(file, ns=(number, 1_700_000_000_000_000_000 + number * 1_000_000_007))


def picture(root: Path, first_id: int) -> dict[str, tuple[Any, ...]]:
    """Everything about every name: kind and mode, owner as in the container, time, link target, content."""
    found: dict[str, tuple[Any, ...]] = {}
    first_names: dict[int, str] = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(folders + files):
            path = Path(folder) / name
            status = path.lstat()
            shown = str(path.relative_to(root))
            content: Any = ""
            if stat.S_ISLNK(status.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(status.st_mode):
                content = first_names.setdefault(status.st_ino, shown)
                if content == shown and status.st_size < 1 << 30:
                    content = hashlib.sha256(path.read_bytes()).hexdigest()
            owner = (status.st_uid - first_id, status.st_gid - first_id)
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            found[shown] = (status.st_mode, owner, status.st_mtime_ns, size, content)
    return found
