# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds a number to every owner and group in a tree: what the files of an image look like under userns-remap.

python3 shift_owners.py TREE NUMBER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def shift(path: Path, number: int) -> None:
    status = path.lstat()
    os.chown(path, status.st_uid + number, status.st_gid + number, follow_symlinks=False)


def main() -> int:
    tree, number = Path(sys.argv[1]), int(sys.argv[2])
    shift(tree, number)
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            shift(Path(folder, name), number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
