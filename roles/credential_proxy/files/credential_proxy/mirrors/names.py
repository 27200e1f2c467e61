# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of packages and of their files, read back from paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SEPARATORS: Final = re.compile(r"[-_.]+")
_WHEEL: Final = re.compile(r"([A-Za-z0-9._]+)-([A-Za-z0-9._!+]+)(?:-[0-9][A-Za-z0-9._]*)?-[^-]+-[^-]+-[^-]+\.whl")
_SDIST: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*?)-([0-9][A-Za-z0-9._!+-]*?)\.(?:tar\.gz|tar\.bz2|tar\.xz|zip|tgz)"
)
_EGG: Final = re.compile(r"([A-Za-z0-9._]+)-([0-9][A-Za-z0-9._!+]*)(?:-.*)?\.(?:egg|exe|msi|rpm|dmg)")


@dataclass(frozen=True, slots=True)
class Release:
    """One version of one package; ``version`` is empty where the request names none."""

    name: str
    version: str


def normalised(name: str) -> str:
    """Return the one spelling of a Python project's name (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


def python_release(file: str) -> Release | None:
    """Read name and version out of a file's name; None when it is no distribution."""
    file = file.removesuffix(".metadata")
    for pattern in (_WHEEL, _SDIST, _EGG):
        match = pattern.fullmatch(file)
        if match is not None:
            return Release(normalised(match[1]), match[2])
    return None


def npm_release(package: str, file: str) -> Release | None:
    """Read the version out of a tarball's name, which is the package's last part, a hyphen and the version."""
    start = package.rpartition("/")[2] + "-"
    if file.startswith(start) and file.endswith(".tgz"):
        return Release(package, file[len(start) : -len(".tgz")])
    return None
