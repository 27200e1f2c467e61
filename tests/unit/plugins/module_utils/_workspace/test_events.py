# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose event was it? From lines that kernels of Debian 12 and 13 wrote, and from counters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.audit_log import Requests
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.events import (
    TYPES,
    Account,
    events,
    unattributed,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.facts import Quota
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.kernel_log import KernelEvent, parse

ONE, TWO = "a" * 64, "b" * 64
OOM = (
    f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=docker-{ONE}.scope,mems_allowed=0,"
    f"oom_memcg=/system.slice/docker-{ONE}.scope,task_memcg=/,task=python3,pid=4711,uid=101000"
)
FORK = f"cgroup: fork rejected by pids controller in /system.slice/docker-{ONE}.scope"
APPARMOR = (
    'audit: type=1400 audit(1767600950.100:77): apparmor="DENIED" operation="open" class="file" '
    'profile="workspace-container" name="/proc/sysrq-trigger" pid=50 comm="cat" requested_mask="w" fsuid=101000'
)
SECCOMP = (
    "audit: type=1326 audit(1767600951.100:78): auid=4294967295 uid=101000 gid=101000 ses=4294967295 "
    'subj=workspace-container pid=51 comm="perf" exe="/usr/bin/perf" sig=0 arch=c000003e '
    "syscall=298 compat=0 code=0x7ffc0000"
)
ELSEWHERE = "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,task=python3,pid=1,uid=0"


def account(name: str, key: str, *, begun: str, ended: str = "", **more: Any) -> Account:
    state = {"Running": not ended, "StartedAt": begun, "FinishedAt": ended or "0001-01-01T00:00:00Z"}
    return Account(conversation_id=name, container={"Id": key, "State": state}, **more)


FIRST = account("one", ONE, begun="2026-01-05T08:15:00Z")
SECOND = account("two", TWO, begun="2026-01-05T08:15:00Z")
BEFORE = account("old", "c" * 64, begun="2026-01-05T07:00:00Z", ended="2026-01-05T08:00:00Z")


def told(*lines: str) -> tuple[KernelEvent, ...]:
    return tuple(parse((1767600949.0, line) for line in lines))


def test_lines_of_the_kernel_are_read() -> None:
    found = told(OOM, FORK, APPARMOR, SECCOMP, ELSEWHERE, "usb 1-1: new device")
    assert [entry.type for entry in found] == ["oom", "pids_max", "apparmor_denied", "seccomp_denied"]
    assert [entry.container for entry in found] == [ONE, ONE, "", ""]
    assert found[0].told == "the kernel killed python3 (4711)"
    assert found[2].told == "open /proc/sysrq-trigger by cat (profile workspace-container)"
    assert (found[2].pid, found[2].at) == (50, 1767600950.1)
    assert found[3].told == "system call 298 by perf"


def test_one_record_in_two_logs_counts_once() -> None:
    assert len(told(APPARMOR, APPARMOR)) == 1
    assert len(told(FORK, FORK)) == 2


def test_what_names_the_cgroup_is_that_conversation_s() -> None:
    assert [event["type"] for event in events(FIRST, told(OOM, FORK), [SECOND])] == ["oom", "pids_max"]
    assert events(SECOND, told(OOM, FORK), [FIRST]) == []


def test_a_denial_is_that_conversation_s_whose_process_still_runs() -> None:
    own = replace(SECOND, pids=frozenset({50}))
    [event] = events(own, told(APPARMOR), [FIRST])
    assert (event["type"], event["count"], event["last"]) == ("apparmor_denied", 1, "2026-01-05T08:15:50+00:00")
    assert events(FIRST, told(APPARMOR), [own]) == []
    assert unattributed([FIRST, own], told(APPARMOR)) == []


def test_a_denial_is_that_conversation_s_that_ran_alone() -> None:
    assert [event["type"] for event in events(FIRST, told(APPARMOR, SECCOMP), [BEFORE])] == [
        "seccomp_denied",
        "apparmor_denied",
    ]
    assert events(BEFORE, told(APPARMOR), [FIRST]) == []


def test_a_denial_that_could_be_anybody_s_is_nobody_s() -> None:
    assert events(FIRST, told(APPARMOR), [SECOND]) == []
    assert events(SECOND, told(APPARMOR), [FIRST]) == []
    assert [event["type"] for event in unattributed([FIRST, SECOND], told(APPARMOR, OOM))] == ["apparmor_denied"]


def test_every_type_is_told_in_one_order() -> None:
    suffering = replace(
        FIRST,
        counters={
            "memory.events oom_kill": 2,
            "pids.events max": 3,
            "cpu.stat nr_throttled": 4,
            "cpu.stat throttled_usec": 1_500_000,
        },
        quotas={
            "/workspace": Quota(project=2, limit=1000, used=995),
            "/opt/venv": Quota(project=3, limit=1000, used=5),
        },
        full=("/tmp has 10 of 10 bytes",),
        requests=Requests(last=1767600960.0, denied=5, last_denied=1767600959.0, last_rule="path"),
    )
    found = events(suffering, told(OOM, APPARMOR, SECCOMP))
    assert tuple(event["type"] for event in found) == TYPES
    assert [event["count"] for event in found] == [2, 3, 2, 4, 1, 1, 5]
    # The counter knows how often, the log knows when.
    assert found[0]["last"] == "2026-01-05T08:15:49+00:00"
    assert found[2]["evidence"] == "/workspace has 995 of 1000 bytes; /tmp has 10 of 10 bytes"
    assert found[6]["last"] == "2026-01-05T08:15:59+00:00"


def test_a_quiet_conversation_has_no_events() -> None:
    assert events(replace(FIRST, counters={"memory.events oom_kill": 0}), ()) == []
