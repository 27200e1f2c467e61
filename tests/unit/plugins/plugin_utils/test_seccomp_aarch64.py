# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile on aarch64: as the program that libseccomp makes for it, asked call by call."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _seccomp
from generate import role_variable
from workloads import bpf
from workloads.judge import decide

POLICY = role_variable("seccomp", "__seccomp_policy")
LEVELS = ["standard", "strict"]
PROFILES = {level: _seccomp.render_profile({**POLICY, "level": level}) for level in LEVELS}
PROGRAMS = {level: bpf.compiled(profile, bpf.AARCH64) for level, profile in PROFILES.items()}
BIT_32 = 1 << 32

# What glibc's and musl's functions call on aarch64, where they call something older on x86_64.
# No substitute: the kernel sets what arch_prctl sets on x86_64 without a call.
SUBSTITUTES = {
    "access": "faccessat", "alarm": "setitimer", "chmod": "fchmodat", "chown": "fchownat", "creat": "openat",
    "dup2": "dup3", "epoll_create": "epoll_create1", "epoll_wait": "epoll_pwait", "eventfd": "eventfd2",
    "fork": "clone", "getdents": "getdents64", "getpgrp": "getpgid", "inotify_init": "inotify_init1",
    "lchown": "fchownat", "link": "linkat", "lstat": "newfstatat", "mkdir": "mkdirat", "mknod": "mknodat",
    "open": "openat", "pause": "ppoll", "pipe": "pipe2", "poll": "ppoll", "readlink": "readlinkat",
    "rename": "renameat", "rmdir": "unlinkat", "select": "pselect6", "signalfd": "signalfd4", "stat": "newfstatat",
    "symlink": "symlinkat", "time": "gettimeofday", "unlink": "unlinkat", "utime": "utimensat", "utimes": "utimensat",
    "vfork": "clone",
}  # fmt: skip
# libseccomp 2.5 knows them on no architecture, and leaves them out.
TOO_NEW = {"mseal", "uretprobe"}


def allowed(level: str) -> set[str]:
    return {
        name for rule in PROFILES[level]["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
    }


def returned(decision: str | int) -> int:
    return bpf.ALLOW if decision == "allow" else bpf.ERRNO | int(decision)


@pytest.mark.parametrize("level", LEVELS)
def test_what_aarch64_lacks_has_its_substitute(level: str) -> None:
    lacking = {call for call in allowed(level) if bpf.number(bpf.AARCH64, call) < 0} - TOO_NEW
    assert lacking - set(SUBSTITUTES) == {"arch_prctl"}
    assert {SUBSTITUTES[call] for call in lacking & set(SUBSTITUTES)} <= allowed(level)


@pytest.mark.parametrize("level", LEVELS)
def test_the_program_answers_every_call_as_the_profile_says(level: str) -> None:
    named = {name for rule in PROFILES[level]["syscalls"] for name in rule["names"]}
    filtered = {name for rule in PROFILES[level]["syscalls"] if "args" in rule for name in rule["names"]}
    asked = {name: bpf.number(bpf.AARCH64, name) for name in named - filtered}
    present = {name: number for name, number in asked.items() if number >= 0}
    assert len(present) > 250
    wrong = {
        name
        for name, number in present.items()
        if bpf.answer(PROGRAMS[level], bpf.AARCH64, number) != returned(decide(PROFILES[level], name))
    }
    assert wrong == set()


CASES: list[tuple[str, tuple[int, ...]]] = [
    ("clone", (0x003D0F00,)), ("clone", (0x10000200,)), ("clone", (BIT_32 | 0x10000200,)),
    ("openat", (0, 0, 0o2, 0o4755)), ("openat", (0, 0, 0o100, 0o4755)), ("openat", (0, 0, 0o100, 0o644)),
    ("fchmod", (0, 0o755)), ("fchmod", (0, 0o4755)), ("fchmodat", (0, 0, 0o4755)),
    ("mknodat", (0, 0, 0o010644)), ("mknodat", (0, 0, 0o020000)),
    ("ioctl", (0, 0x5401)), ("ioctl", (0, 0x5412)), ("ioctl", (0, BIT_32 | 0x5412)),
    ("socket", (1, 1, 0)), ("socket", (2, 3, 1)), ("socket", (16, 3, 9)), ("socket", (38, 5, 0)),
    ("socket", (BIT_32 | 40, 1, 0)), ("socketpair", (1, 1, 0)), ("socketpair", (30, 1, 0)),
    ("setsockopt", (0, 1, 25)), ("setsockopt", (0, 1, 26)), ("personality", (0x0040000,)),
]  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("call", "args"), CASES)
def test_the_program_looks_at_the_same_arguments(level: str, call: str, args: tuple[int, ...]) -> None:
    number = bpf.number(bpf.AARCH64, call)
    full = (*args, 0, 0, 0, 0, 0, 0)[:6]
    assert bpf.answer(PROGRAMS[level], bpf.AARCH64, number, *full) == returned(decide(PROFILES[level], call, *full))


def test_another_architectures_calls_end_the_process() -> None:
    for program, own, foreign in (
        (PROGRAMS["standard"], bpf.AARCH64, bpf.X86_64),
        (bpf.compiled(PROFILES["standard"], bpf.X86_64), bpf.X86_64, bpf.AARCH64),
    ):
        getpid = bpf.number(own, "getpid")
        assert bpf.answer(program, own, getpid) == bpf.ALLOW
        assert bpf.answer(program, foreign, getpid) in (bpf.KILL_THREAD, bpf.KILL_PROCESS)


def test_a_call_without_a_name_is_refused() -> None:
    assert bpf.answer(PROGRAMS["standard"], bpf.AARCH64, 4000) == bpf.ERRNO | errno.EPERM


def test_the_reader_of_programs_finds_the_proven_answers_of_x86_64() -> None:
    """Natively these very cases are tried with the kernel's own interpreter."""
    program = bpf.compiled(PROFILES["standard"], bpf.X86_64)
    for call, args in CASES:
        full = (*args, 0, 0, 0, 0, 0, 0)[:6]
        got = bpf.answer(program, bpf.X86_64, bpf.number(bpf.X86_64, call), *full)
        assert got == returned(decide(PROFILES["standard"], call, *full)), (call, args)
