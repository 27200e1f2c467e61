# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on their way from one data directory of the daemon to another: files that wait to be loaded.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import urllib.parse
from pathlib import Path

_SUFFIX = ".tar"


def file_of(directory: str, image: str) -> Path:
    """The file of an image; any name of an image is a name of a file in this spelling."""
    return Path(directory) / f"{urllib.parse.quote(image, safe='')}{_SUFFIX}"


def waiting(directory: str) -> list[str]:
    """The images whose files are whole."""
    files = Path(directory).glob(f"*{_SUFFIX}") if Path(directory).is_dir() else ()
    return sorted(urllib.parse.unquote(file.name.removesuffix(_SUFFIX)) for file in files)
