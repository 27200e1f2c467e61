# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the kernel logged of an AppArmor profile, refused or only noted, and proposes what to allow.

    python3 apparmor_denials.py PROFILE               reads the audit log where there is one, and the kernel's log
    python3 apparmor_denials.py PROFILE --log FILE    reads FILE instead; - is standard input

Prints each access with the processes that tried it, then a line for each variable of the apparmor role that would allow
it; for what no variable opens, the rule that a profile of one's own would need. Exit 3 where nothing was logged.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

AUDIT_LOG = Path("/var/log/audit/audit.log")
# Trees that no variable of the role hands out; the role refuses them with the same words.
CLOSED = ("/proc", "/sys", "/dev", "/etc", "/root", "/boot", "/run", "/var/run", "/var/lib/docker")
READ_ONLY = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt/claude", "/opt/workspace_agent")
NEVER_RUN = ("/tmp", "/var/tmp", "/home", "/dev/shm")

_FIELD = re.compile(r'(\w+)=("[^"]*"|\S+)')
_NUMBERED = re.compile(r"^/proc/\d+/(task/\d+/)?")


class Access(NamedTuple):
    """A kind of access to one path; ``letters`` as AppArmor writes them: r w a k l m x c d."""

    path: str
    letters: str


def _value(text: str) -> str:
    """The kernel quotes paths, and writes in hexadecimal those that could not be quoted."""
    if text.startswith('"'):
        return text.strip('"')
    try:
        return bytes.fromhex(text).decode(errors="replace")
    except ValueError:
        return text


def logged(lines: Iterable[str], profile: str) -> tuple[dict[Access, set[str]], dict[str, set[str]]]:
    """File accesses, and all others in words (``ptrace``, ``net family=packet``), each with the processes."""
    files: dict[Access, set[str]] = defaultdict(set)
    others: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        fields = {key: _value(value) for key, value in _FIELD.findall(line)}
        if fields.get("apparmor") not in ("DENIED", "ALLOWED") or fields.get("profile") != profile:
            continue
        process = fields.get("comm", "?")
        if fields.get("class", "file") == "file" and fields.get("name", "").startswith("/"):
            path = _NUMBERED.sub(lambda found: "/proc/[0-9]*/" + ("task/[0-9]*/" if found[1] else ""), fields["name"])
            files[Access(path, fields.get("denied_mask", "r"))].add(process)
        else:
            told = ("operation", "family", "sock_type", "denied_mask", "capname", "name", "peer", "info")
            words = " ".join(f"{key}={fields[key]}" for key in told if key in fields)
            others[f"{fields.get('class', '?')}: {words}"].add(process)
    return files, others


def _inside(path: str, trees: Iterable[str]) -> str | None:
    return next((tree for tree in trees if path == tree or path.startswith(tree + "/")), None)


def variable(access: Access) -> tuple[str, str]:
    """The role's variable that would allow the access, and its value; or an empty name and why there is none."""
    writes = set(access.letters) & set("wacdlk")
    runs = set(access.letters) & set("xm")
    tree = _inside(access.path, CLOSED + (READ_ONLY if writes else ()) + (NEVER_RUN if runs else ()))
    if tree:
        return "", f"no variable opens {tree} for it"
    if writes and runs:
        return "", "no variable lets write and run in one place; /workspace and /opt/venv are such places"
    name = "apparmor_extra_programs" if runs else "apparmor_extra_read_write" if writes else "apparmor_extra_read_only"
    folder = access.path.rstrip("/") if access.path.endswith("/") else str(PurePosixPath(access.path).parent)
    return (name, folder) if folder != "/" else ("", "the root folder cannot be handed out")


def _rule(access: Access) -> str:
    letters = access.letters.replace("c", "w").replace("d", "w").replace("x", "ix").replace("a", "w")
    return f"{access.path} {''.join(dict.fromkeys(letters))},"


def report(files: dict[Access, set[str]], others: dict[str, set[str]]) -> list[str]:
    """The proposal as lines of text."""
    lines = [f"{access.letters} {access.path}: {', '.join(sorted(who))}" for access, who in sorted(files.items())] + [
        f"{what}: {', '.join(sorted(who))}" for what, who in sorted(others.items())
    ]
    proposed: dict[str, set[str]] = defaultdict(set)
    closed = []
    for access in sorted(files):
        name, value = variable(access)
        if name:
            proposed[name].add(value)
        else:
            closed.append(f"# {_rule(access)}  ({value})")
    lines += [f"{name}: [{', '.join(sorted(folders))}]" for name, folders in sorted(proposed.items())]
    return lines + closed


def _system_lines() -> list[str]:
    lines: list[str] = []
    if AUDIT_LOG.exists():
        lines += AUDIT_LOG.read_text(encoding="utf-8", errors="replace").splitlines()
    done = subprocess.run(["journalctl", "--dmesg", "--no-pager"], capture_output=True, text=True, check=False)
    return lines + done.stdout.splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(description="Proposes accesses to allow, from what AppArmor logged.")
    parser.add_argument("profile", nargs="?", default="workspace-container")
    parser.add_argument("--log", metavar="FILE", help="read this file, or - for standard input")
    options = parser.parse_args()
    if options.log:
        text = sys.stdin.read() if options.log == "-" else Path(options.log).read_text(encoding="utf-8")
        lines = text.splitlines()
    else:
        lines = _system_lines()
    files, others = logged(lines, options.profile)
    if not files and not others:
        print(f"nothing was logged for the profile {options.profile}")
        return 3
    print("\n".join(report(files, others)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
