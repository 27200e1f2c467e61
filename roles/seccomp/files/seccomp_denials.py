# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the kernel logged of a seccomp profile in learning mode, and proposes what to allow.

    python3 seccomp_denials.py               reads the audit log where there is one, and the kernel's log
    python3 seccomp_denials.py --log FILE    reads FILE instead; - is standard input

Prints each call with the processes that made it, then a line for seccomp_extra_allowed. Only learning mode logs: a call
that is refused with an errno leaves no trace. A call that is allowed for some arguments is named, but not proposed,
since that list allows every argument. Exit 3 where nothing was logged.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

AUDIT_LOG = Path("/var/log/audit/audit.log")
PROFILE = Path("/etc/bulkhead/seccomp/workspace-seccomp.json")
LOGGED = "0x7ffc0000"  # SECCOMP_RET_LOG

_FIELD = re.compile(r'(\w+)=("[^"]*"|\S+)')


def _value(text: str) -> str:
    """The kernel quotes names, and writes in hexadecimal those that could not be quoted."""
    if text.startswith('"'):
        return text.strip('"')
    try:
        return bytes.fromhex(text).decode(errors="replace")
    except ValueError:
        return text


def logged(lines: Iterable[str]) -> dict[int, set[tuple[str, str]]]:
    """Calls by number -> the processes that made them, as (name, program)."""
    found: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for line in lines:
        fields = dict(_FIELD.findall(line))
        if ("type=1326" in line or "type=SECCOMP" in line) and fields.get("code") == LOGGED:
            found[int(fields["syscall"])].add((_value(fields.get("comm", "?")), _value(fields.get("exe", "?"))))
    return found


def _system_lines() -> list[str]:
    lines: list[str] = []
    if AUDIT_LOG.exists():
        lines += AUDIT_LOG.read_text(encoding="utf-8", errors="replace").splitlines()
    done = subprocess.run(["journalctl", "--dmesg", "--no-pager"], capture_output=True, text=True, check=False)
    return lines + done.stdout.splitlines()


def _name(number: int) -> str:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    native = 0
    name = library.seccomp_syscall_resolve_num_arch(native, number)
    return name.decode() if name else f"number {number}"


def report(calls: dict[str, set[tuple[str, str]]], filtered: set[str]) -> list[str]:
    """The proposal as lines of text.

    :param calls: call -> the processes that made it.
    :param filtered: the calls that the profile allows for some arguments.
    """
    lines = []
    for call, processes in sorted(calls.items()):
        who = ", ".join(sorted(f"{comm} ({program})" for comm, program in processes))
        lines.append(f"{call}: {who}" + (" - with arguments that the profile refuses" if call in filtered else ""))
    proposed = sorted(call for call in set(calls) - filtered if not call.startswith("number "))
    return [*lines, f"seccomp_extra_allowed: [{', '.join(proposed)}]"]


def _filtered(profile: Path) -> set[str]:
    if not profile.exists():
        return set()
    rules = json.loads(profile.read_text(encoding="utf-8"))["syscalls"]
    return {name for rule in rules if "args" in rule for name in rule["names"]}


def main() -> int:
    parser = argparse.ArgumentParser(description="Proposes calls to allow, from what learning mode logged.")
    parser.add_argument("--log", metavar="FILE", help="read this file, or - for standard input")
    parser.add_argument("--profile", type=Path, default=PROFILE, help="the profile that was in use")
    options = parser.parse_args()
    if options.log:
        text = sys.stdin.read() if options.log == "-" else Path(options.log).read_text(encoding="utf-8")
        found = logged(text.splitlines())
    else:
        found = logged(_system_lines())
    if not found:
        print("no call was logged; seccomp logs in learning mode only (seccomp_mode: learn)")
        return 3
    calls: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for number, processes in found.items():
        calls[_name(number)] |= processes
    print("\n".join(report(calls, _filtered(options.profile))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
