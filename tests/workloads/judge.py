# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rendered profiles say to a call or a file access, without a kernel. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

_RULE = re.compile(r"^  (?P<deny>audit deny )?(?:owner )?(?P<path>/\S*) (?P<access>[a-z]+),$", re.MULTILINE)


def decide(profile: Mapping[str, Any], call: str, *args: int) -> str | int:
    """The seccomp profile's answer: ``allow``, ``log`` or an errno. The first rule that fits counts.

    :param args: the arguments, cut to 64 bits as libseccomp sees them; all that rules ask for must be there.
    """
    for rule in profile["syscalls"]:
        if call in rule["names"] and all(
            args[test["index"]] & test["value"] == test["valueTwo"] for test in rule.get("args", [])
        ):
            return "allow" if rule["action"] == "SCMP_ACT_ALLOW" else int(rule["errnoRet"])
    return "log" if profile["defaultAction"] == "SCMP_ACT_LOG" else int(profile["defaultErrnoRet"])


@functools.cache
def _as_regex(glob: str) -> re.Pattern[str]:
    """apparmor.d(5): * stays inside a name, ** crosses slashes, {a,b} is a choice."""
    translated = ""
    position = 0
    while position < len(glob):
        if glob.startswith("**", position):
            translated, position = translated + ".*", position + 2
            continue
        character = glob[position]
        simple = {"*": "[^/]*", "{": "(?:", "}": ")", ",": "|", "[": "[", "]": "]"}
        translated, position = translated + simple.get(character, re.escape(character)), position + 1
    return re.compile(translated.replace(r"\-", "-"))


@functools.cache
def _rules(text: str) -> tuple[tuple[re.Pattern[str], bool, frozenset[str]], ...]:
    return tuple(
        (_as_regex(rule["path"]), bool(rule["deny"]), frozenset(rule["access"])) for rule in _RULE.finditer(text)
    )


def missing(text: str, path: str, access: str) -> str:
    """The letters of ``access`` that the AppArmor profile does not grant: permissions add up, a denial wins."""
    letters: set[str] = set()
    denied: set[str] = set()
    for pattern, deny, granted in _rules(text):
        if pattern.fullmatch(path):
            (denied if deny else letters).update(granted)
    return "".join(letter for letter in access if letter not in letters - denied)
