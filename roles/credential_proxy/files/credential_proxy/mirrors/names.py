# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of packages and of their files, read back from paths."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

_SEPARATORS: Final = re.compile(r"[-_.]+")
_FILE_BYTES: Final = 256
_NAME: Final = r"[A-Za-z0-9._]+"
_WHEEL: Final = re.compile(rf"({_NAME})-([A-Za-z0-9._!+]+)(?:-([0-9][A-Za-z0-9._]*))?-[^-]+-[^-]+-[^-]+\.whl")
_SDIST: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._!+-]*)\.(?:tar\.gz|tar\.bz2|tar\.xz|zip|tgz)")
# Not in use any more; how such names are made was never written down.
_OLD: Final = re.compile(rf"({_NAME}-[0-9][A-Za-z0-9._!+]*(?:-.*)?)\.(?:egg|exe|msi|rpm|dmg)")
_HYPHENATED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BEFORE_DIGIT: Final = re.compile(r"-(?=[0-9])")
# PEP 440, appendix B, without the leading "v", with which no version in a file's name begins here.
_VERSION: Final = re.compile(
    r"(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?[0-9]*)?"
    r"(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Release:
    """One version of one package; ``version`` is empty where the request names none."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Readings:
    """What a file's name may stand for: ``a-2-1.0`` is version 1.0 of ``a-2``, or version 2-1.0 of ``a``.

    ``every`` one has to be looked for on a list of what is denied. ``likely`` are those that have to be on a list of
    what is allowed: the ones whose version is one by the book, or all when none is, the most plausible first.
    """

    every: tuple[Release, ...]
    likely: tuple[Release, ...]

    @classmethod
    def of(cls, releases: list[Release]) -> Readings:
        """Sort them; they are in the order of their names' lengths."""
        likely = [release for release in reversed(releases) if _VERSION.fullmatch(release.version)]
        return cls(tuple(releases), tuple(likely or releases))


def normalised(name: str) -> str:
    """Return the one spelling of a Python project's name (PEP 503); patterns of names are spelled alike."""
    return _SEPARATORS.sub("-", name).lower()


def python_readings(file: str) -> Readings | None:
    """Read names and versions out of a file's name; None when it is no distribution, or longer than 256 bytes."""
    # Before anything searches in it: whoever asks chooses the length.
    if len(file) > _FILE_BYTES:
        return None
    file = file.removesuffix(".metadata")
    match = _WHEEL.fullmatch(file)
    if match is not None:
        return _wheel(match[1], match[2], match[3])
    match = _SDIST.fullmatch(file)
    if match is not None:
        readings = Readings.of(_splits(match[1]))
    else:
        match = _OLD.fullmatch(file)
        if match is None:
            return None
        # What follows the version is not part of it: a release, the Python, the platform.
        every = tuple(replace(split, version=split.version.partition("-")[0]) for split in _splits(match[1]))
        readings = Readings(every, every)
    return readings if readings.every else None


def _splits(stem: str) -> list[Release]:
    """Split at every hyphen before a digit."""
    splits = [(stem[: at.start()], stem[at.end() :]) for at in _BEFORE_DIGIT.finditer(stem)]
    return [Release(normalised(name), version) for name, version in splits if _HYPHENATED.fullmatch(name)]


def _wheel(name: str, version: str, build: str | None) -> Readings:
    """Read a wheel as its specification does; only a version that cannot be one makes the build number suspicious."""
    plain = Release(normalised(name), version)
    if build is None:
        return Readings((plain,), (plain,))
    other = Release(normalised(f"{name}-{version}"), build)
    return Readings((plain, other), (plain,) if _VERSION.fullmatch(version) else (other, plain))


def npm_release(package: str, file: str) -> Release | None:
    """Read the version out of a tarball's name, which is the package's last part, a hyphen and the version."""
    start = package.rpartition("/")[2] + "-"
    if file.startswith(start) and file.endswith(".tgz"):
        return Release(package, file[len(start) : -len(".tgz")])
    return None
