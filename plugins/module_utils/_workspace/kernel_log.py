# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reads what the kernel told about containers: its ring buffer, and the audit daemon's log where one runs.

The lines that matter, each with what ties it to a container: an out-of-memory kill and a refused fork name the cgroup,
a denial by AppArmor or seccomp only the process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

KMSG = Path("/dev/kmsg")
AUDIT_LOG = Path("/var/log/audit/audit.log")
_TAIL_BYTES = 4 * 1024 * 1024
_RECORD = 8192

_CONTAINER = re.compile(r"docker[-/]([0-9a-f]{64})")
_PID = re.compile(r"\bpid=(\d+)")
_AUDIT_TIME = re.compile(r"audit[:(]\(?(\d+\.\d+):")
_QUOTED = re.compile(r'\b(operation|name|comm|profile)="([^"]*)"')
_SYSCALL = re.compile(r"\bsyscall=(\d+)")


@dataclass(frozen=True, kw_only=True)
class KernelEvent:
    """One line of the kernel, as far as it is about a limit. ``at`` is seconds since 1970, 0 when it is not known."""

    type: str
    at: float
    told: str
    container: str = ""
    pid: int = 0


def read_kernel_events() -> tuple[KernelEvent, ...]:
    """All events that are still in the logs, the oldest first."""
    return tuple(parse([*_audit_lines(), *_kmsg_lines()]))


def parse(lines: Iterable[tuple[float, str]]) -> Iterator[KernelEvent]:
    """Picks the lines about limits; each line comes with its time. The same line from two logs counts once."""
    seen: set[str] = set()
    for at, line in lines:
        event = _event(at, line)
        # An audit record has its own serial number, so equal text is one record.
        if event is not None and not ("audit" in line and line in seen):
            seen.add(line)
            yield event


def _event(at: float, line: str) -> KernelEvent | None:
    container = _CONTAINER.search(line)
    if "oom-kill:" in line and "CONSTRAINT_MEMCG" in line and container:
        return KernelEvent(type="oom", at=at, told=_task(line), container=container[1])
    if "fork rejected by pids controller" in line and container:
        return KernelEvent(type="pids_max", at=at, told="the kernel rejected a fork", container=container[1])
    pid = _PID.search(line)
    stamp = _AUDIT_TIME.search(line)
    when = float(stamp[1]) if stamp else at
    if 'apparmor="DENIED"' in line and pid:
        words = dict(_QUOTED.findall(line))
        told = f"{words.get('operation', 'an act')} {words.get('name', '')} by {words.get('comm', '?')}"
        return KernelEvent(
            type="apparmor_denied", at=when, told=f"{told} (profile {words.get('profile', '?')})", pid=int(pid[1])
        )
    if ("type=1326" in line or "type=SECCOMP" in line) and pid:
        words, call = dict(_QUOTED.findall(line)), _SYSCALL.search(line)
        told = f"system call {call[1] if call else '?'} by {words.get('comm', '?')}"
        return KernelEvent(type="seccomp_denied", at=when, told=told, pid=int(pid[1]))
    return None


def _task(line: str) -> str:
    found = re.search(r"\btask=([^,]*),pid=(\d+)", line)
    return f"the kernel killed {found[1]} ({found[2]})" if found else "the kernel killed a process"


def _kmsg_lines() -> Iterator[tuple[float, str]]:
    """The ring buffer: "priority,number,microseconds since boot,flags;text"."""
    booted = _boot_time()
    try:
        descriptor = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        while True:
            try:
                record = os.read(descriptor, _RECORD).decode(errors="replace")
            except BrokenPipeError:
                # Overwritten while we read; the next read goes on behind it.
                continue
            except OSError:
                return
            head, _separator, text = record.partition(";")
            fields = head.split(",")
            yield booted + (int(fields[2]) / 1e6 if len(fields) > 2 and fields[2].isdigit() else 0), text.split("\n")[0]
    finally:
        os.close(descriptor)


def _audit_lines() -> Iterator[tuple[float, str]]:
    try:
        with AUDIT_LOG.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _TAIL_BYTES))
            for line in stream.read().decode(errors="replace").splitlines():
                yield 0.0, line
    except OSError:
        return


def _boot_time() -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0
