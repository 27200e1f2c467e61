# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy data of the apparmor role -> text of the profile. Pure: no files, no Ansible.

Note that this plugin util is PRIVATE to the collection.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

Policy = Mapping[str, Any]

HEADER = """\
# Confines the containers of agent conversations. Generated from the role bulkhead.workspace.apparmor: change its
# variables, not this file.
"""

# A directory from a variable: plain names only, so that it can neither end the rule nor reach further than it says.
_DIRECTORY = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._@+-]+)+")
_LABEL = re.compile(r"[A-Za-z0-9._/@+-]+")

# Trees that no variable hands out: the kernel's interfaces, settings, and the places of other roles' rules.
_CLOSED = ("/proc", "/sys", "/dev", "/etc", "/root", "/boot", "/run", "/var/run", "/var/lib/docker")
_NEVER_WRITTEN = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt/claude", "/opt/workspace_agent")
_NEVER_RUN = ("/tmp", "/var/tmp", "/home", "/dev/shm")


def _overlaps(directory: str, tree: str) -> bool:
    return directory == tree or directory.startswith(tree + "/") or tree.startswith(directory + "/")


def wish_problems(policy: Policy) -> list[str]:
    """What is wrong with the user's variables, each problem with the variable, the value and what to do."""
    problems = []
    for extra in policy["extra"]:
        variable, access = extra["variable"], extra["access"]
        closed = _CLOSED + (_NEVER_WRITTEN if "w" in access else ()) + (_NEVER_RUN if "x" in access else ())
        for directory in extra["directories"]:
            if not _DIRECTORY.fullmatch(directory):
                problems.append(
                    f"{variable}: {directory!r} is not an absolute path of letters, digits and . _ @ + - without a "
                    "slash at its end; write it so"
                )
                continue
            for tree in closed:
                if _overlaps(directory, tree):
                    problems.append(
                        f"{variable}: {directory} cannot be opened, since it overlaps with {tree}; remove it"
                    )
    for peer in policy["signal_peers"]:
        if not _LABEL.fullmatch(peer):
            problems.append(f"apparmor_extra_signal_peers: {peer!r} is not the name of a profile; correct it")
    if policy["mode"] not in ("enforce", "complain"):
        problems.append(f"apparmor_mode: {policy['mode']!r} is neither enforce nor complain")
    return problems


def _comment(reason: str) -> list[str]:
    return ["", *textwrap.wrap(reason, width=110, initial_indent="  # ", subsequent_indent="  # ")]


def _file_lines(groups: Iterable[Mapping[str, Any]], prefix: str = "") -> list[str]:
    lines: list[str] = []
    for group in groups:
        owner = "owner " if group.get("owner") else ""
        lines += [
            *_comment(group["reason"]),
            *(f"  {prefix}{owner}{path} {group['access']}," for path in group["paths"]),
        ]
    return lines


def render_profile(policy: Policy) -> str:
    """The profile's text; the caller has looked at wish_problems() before."""
    flags = ["attach_disconnected", "mediate_deleted"] + (["complain"] if policy["mode"] == "complain" else [])
    lines = [f"abi <{policy['abi']}>,", "", f"profile {policy['name']} flags=({','.join(flags)}) {{"]
    for group in policy["statements"]:
        lines += [*_comment(group["reason"]), *(f"  {line}," for line in group["lines"])]
    lines += _comment("Signals of the container runtime, whatever label it runs under: docker stop needs them.")
    lines += [f"  signal (receive) peer={peer}," for peer in policy["signal_peers"]]
    lines += _file_lines(policy["files"])
    for extra in policy["extra"]:
        if extra["directories"]:
            paths = [f"{directory}/{{,**}}" for directory in extra["directories"]]
            lines += _file_lines([{"reason": extra["variable"], "access": extra["access"], "paths": paths}])
    lines += _file_lines(policy["denied"], prefix="audit deny ")
    return HEADER + "\n".join([*lines, "}", ""])
