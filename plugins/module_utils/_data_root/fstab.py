# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One option of one line of /etc/fstab; every other character stays. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import re

_LINE = re.compile(
    r"(?P<head>\s*(?P<source>[^\s#]\S*)\s+(?P<target>\S+)\s+(?P<kind>\S+)\s+)(?P<options>\S+)(?P<tail>.*)\Z"
)
_QUOTA = ("pquota", "prjquota")
#: The two contradict a project quota that is enforced.
_OFF = ("noquota", "pqnoenforce")


def with_quota(options: str) -> str:
    """The mount options with enforced project quotas; the same text where they ask for them already."""
    kept = [option for option in options.split(",") if option not in _OFF and option != "defaults"]
    if any(option in _QUOTA for option in kept):
        return options if not any(option in _OFF for option in options.split(",")) else ",".join(kept)
    return ",".join([*kept, "pquota"])


def line_for(text: str, target: str) -> str | None:
    """The last line that mounts at target, which is the one that counts."""
    found = [line for line in text.splitlines() if (match := _LINE.match(line)) and _plain(match["target"]) == target]
    return found[-1] if found else None


def change(text: str, target: str) -> str:
    """text with project quotas asked for at target; unchanged where no line mounts there."""
    line = line_for(text, target)
    match = _LINE.match(line) if line else None
    if line is None or match is None:
        return text
    new = f"{match['head']}{with_quota(match['options'])}{match['tail']}"
    return replace_line(text, line, new)


def replace_line(text: str, old: str, new: str) -> str:
    """text with the last line `old` replaced."""
    lines = text.splitlines(keepends=True)
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].rstrip("\n") == old:
            lines[number] = new + ("\n" if lines[number].endswith("\n") else "")
            break
    return "".join(lines)


def _plain(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
