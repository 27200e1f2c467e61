# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has in /etc/subuid and /etc/subgid, and what stands against one more range.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import grp
import pwd
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._subid.ranges import (
    Range,
    problems_with,
    with_range,
    without_range,
)

SUBUID = "/etc/subuid"
SUBGID = "/etc/subgid"
MIN_COUNT = 65536
MAX_ID = 2**32 - 2
#: Below lie the ids of the distribution and of people, and 65534 is nobody.
MIN_START = 65536


def examine(wanted: Range, subuid: str = SUBUID, subgid: str = SUBGID) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """For each file its text now and with the range, and every problem over both files."""
    aliases = aliases_of(wanted.owner)
    accounts: dict[str, dict[int, str]] = {
        subuid: {user.pw_uid: f"user {user.pw_name}" for user in pwd.getpwall()},
        subgid: {group.gr_gid: f"group {group.gr_name}" for group in grp.getgrall()},
    }
    texts = {path: read(path) for path in accounts}
    problems = range_problems(wanted)
    for path, text in texts.items():
        problems += problems_with(wanted, text, path=path, aliases=aliases, accounts=accounts[path])
    return {path: (text, with_range(wanted, text, aliases=aliases)) for path, text in texts.items()}, problems


def removal(unwanted: Range, subuid: str = SUBUID, subgid: str = SUBGID) -> dict[str, tuple[str, str]]:
    """For each file its text now and without the range."""
    aliases = aliases_of(unwanted.owner)
    texts = {path: read(path) for path in (subuid, subgid)}
    return {path: (text, without_range(unwanted, text, aliases=aliases)) for path, text in texts.items()}


def range_problems(wanted: Range) -> list[str]:
    problems = []
    if wanted.count < MIN_COUNT:
        problems.append(f"cannot use {wanted}: images need {MIN_COUNT} ids at least; raise count")
    if wanted.start < MIN_START or wanted.start + wanted.count - 1 > MAX_ID:
        problems.append(f"cannot use {wanted}: subordinate ids lie between {MIN_START} and {MAX_ID}; move start")
    return problems


def aliases_of(name: str) -> list[str]:
    try:
        return [str(pwd.getpwnam(name).pw_uid)]
    except KeyError:
        return []


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""
