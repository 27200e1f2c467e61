# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian mirror that this machine already uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vm.errors import VmError

_ONE_LINE = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s")
_URIS = re.compile(r"^URIs:\s*(?P<uris>.+)$", re.MULTILINE)


def debian_mirror(apt: Path = Path("/etc/apt")) -> str:
    """The first Debian archive among apt's own sources.

    Other vendors' sources may come first on a host, so only an address whose path ends in ``/debian`` counts.
    """
    for uri in _sources(apt):
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise VmError(
        "cannot find a Debian mirror: apt's sources on this machine name none; add Debian to /etc/apt/sources.list.d"
    )


def _sources(apt: Path) -> Iterator[str]:
    for file in sorted((apt / "sources.list.d").glob("*.sources")):
        for match in _URIS.finditer(file.read_text()):
            yield from match["uris"].split()
    for file in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        if file.exists():
            yield from (m["uri"] for line in file.read_text().splitlines() if (m := _ONE_LINE.match(line)))
