# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seccomp role's real policy, and the renderer, looked at through the rules they produce."""

from __future__ import annotations

import copy
import ctypes
import errno
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _seccomp
from generate import role_variable
from hypothesis import given
from hypothesis import strategies as st
from workloads.judge import decide

POLICY = role_variable("seccomp", "__seccomp_policy")
GUIDE_DENY_LIST = [
    "mount", "umount2", "reboot", "kexec_load", "ptrace", "init_module", "finit_module", "pivot_root", "settimeofday",
    "clock_settime",
]  # fmt: skip
SEALED = sorted(_seccomp.calls_of(group for group in POLICY["deny"] if group.get("sealed")))
OPENABLE = sorted(_seccomp.calls_of(group for group in POLICY["deny"] if not group.get("sealed")))
STRICT = {**POLICY, "level": "strict"}
DOCKER_DEFAULT = {
    line
    for line in (Path(__file__).parents[3] / "workloads/docker-default.txt").read_text().splitlines()
    if line and not line.startswith("#")
}
# Linux 6.8 and later; on other architectures than x86_64 some have always been there.
NEWER_THAN_LIBSECCOMP_2_5 = {
    "file_getattr", "file_setattr", "getxattrat", "listmount", "listxattrat", "lsm_get_self_attr", "lsm_list_modules",
    "lsm_set_self_attr", "mseal", "open_tree_attr", "removexattrat", "setxattrat", "statmount", "uretprobe",
}  # fmt: skip
PLAIN = sorted(_seccomp.calls_of(POLICY["allow"]))
FILTERED = sorted(_seccomp.calls_of(POLICY["filters"]))


BIT_32 = 1 << 32


@pytest.fixture(scope="module")
def profile() -> dict[str, Any]:
    return _seccomp.render_profile(POLICY)


def test_the_size_of_the_allowlist_is_the_measured_one() -> None:
    assert len(PLAIN) == 243
    assert len(FILTERED) == 15


def allowed(profile: dict[str, Any]) -> set[str]:
    return {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


@pytest.mark.parametrize(("level", "share"), [("standard", 0.86), ("strict", 0.56)])
def test_a_level_allows_fewer_calls_than_docker(level: str, share: float) -> None:
    ours = allowed(_seccomp.render_profile({**POLICY, "level": level}))
    assert len(ours) <= share * len(DOCKER_DEFAULT)
    assert ours <= DOCKER_DEFAULT


def test_level_strict_answers_what_it_leaves_out_so_that_programs_fall_back() -> None:
    profile = _seccomp.render_profile(STRICT)
    assert decide(profile, "membarrier") == errno.ENOSYS
    assert decide(profile, "personality", 0) == errno.EPERM
    assert decide(profile, "clone", 0x003D0F00) == "allow"
    assert decide(profile, "mount") == errno.EPERM


def test_a_call_added_to_level_strict_keeps_its_filter_and_is_shown() -> None:
    wishes = ["mknod", "membarrier"]
    assert _seccomp.wish_problems(STRICT, wishes, []) == []
    profile = _seccomp.render_profile(STRICT, wishes)
    assert decide(profile, "mknod", 0, 0o010644) == "allow"
    assert decide(profile, "mknod", 0, 0o020000) == errno.EPERM
    assert decide(profile, "membarrier") == "allow"
    shown = _seccomp.opened_by(STRICT, wishes)
    assert [line.split(":")[0] for line in shown] == ["membarrier", "mknod"]
    assert all("left out of level strict" in line for line in shown)


LEARNING = {**POLICY, "mode": "learn"}


@pytest.mark.parametrize("level", ["standard", "strict"])
def test_learning_mode_refuses_the_sealed_calls_and_logs_the_rest(level: str) -> None:
    profile = _seccomp.render_profile({**LEARNING, "level": level})
    assert profile["defaultAction"] == "SCMP_ACT_LOG"
    refused = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ERRNO" for name in rule["names"]}
    assert refused == {*SEALED, "clone"}
    for bit in range(64):
        flags = 1 << bit
        answer = decide(profile, "clone", flags) if flags & 0x7E020000 else "allow"
        assert answer == (errno.EPERM if flags & 0x7E020000 else "allow")
    assert decide(profile, "clone", BIT_32 | 0x10000000) == errno.EPERM


def test_every_name_is_one_that_libseccomp_knows_or_is_newer_than_it() -> None:
    """A misspelt name would vanish in silence: the engine leaves out what it does not know."""
    library = ctypes.CDLL("libseccomp.so.2")
    names = {name for rule in _seccomp.render_profile(POLICY)["syscalls"] for name in rule["names"]}
    unknown = {name for name in names if library.seccomp_syscall_resolve_name(name.encode()) == -1}
    assert unknown <= NEWER_THAN_LIBSECCOMP_2_5


def test_no_call_has_two_unconditional_rules(profile: dict[str, Any]) -> None:
    plain = [call for rule in profile["syscalls"] if "args" not in rule for call in rule["names"]]
    filtered = {call for rule in profile["syscalls"] if "args" in rule for call in rule["names"]}
    assert len(plain) == len(set(plain))
    assert not filtered.intersection(plain)


def test_every_comparison_is_masked_and_32_bits_wide(profile: dict[str, Any]) -> None:
    tests = [test for rule in profile["syscalls"] for test in rule.get("args", [])]
    assert len(tests) > 100
    for test in tests:
        assert test["op"] == "SCMP_CMP_MASKED_EQ"
        assert 0 < test["value"] <= 0xFFFFFFFF
        assert test["valueTwo"] & ~test["value"] == 0, "a value outside its mask never matches"


@pytest.mark.parametrize("call", GUIDE_DENY_LIST)
def test_the_guides_deny_list_is_refused_and_sealed(profile: dict[str, Any], call: str) -> None:
    assert decide(profile, call, 0, 0, 0, 0, 0, 0) == errno.EPERM
    with pytest.raises(_seccomp.PolicyError, match=f"cannot open {call}"):
        _seccomp.render_profile(POLICY, extra_allowed=[call])


@given(
    st.lists(st.sampled_from(OPENABLE + PLAIN), unique=True), st.lists(st.sampled_from(PLAIN + FILTERED), unique=True)
)
def test_no_wish_opens_a_sealed_call(allowed: list[str], denied: list[str]) -> None:
    denied = [call for call in denied if call not in allowed]
    profile = _seccomp.render_profile(POLICY, allowed, denied)
    for call in SEALED:
        assert decide(profile, call, 0, 0, 0, 0, 0, 0) in (errno.EPERM, errno.ENOSYS)
    for call in allowed:
        assert decide(profile, call) == "allow"
    for call in denied:
        assert decide(profile, call, 0, 0, 0, 0, 0, 0) == errno.EPERM


@given(st.lists(st.sampled_from(SEALED), min_size=1, unique=True))
def test_every_sealed_wish_is_named(calls: list[str]) -> None:
    problems = _seccomp.wish_problems(POLICY, calls, [])
    assert len(problems) == len(calls)
    for call, problem in zip(calls, problems, strict=True):
        assert f"cannot open {call}:" in problem


def test_wishes_that_make_no_sense_are_named_together() -> None:
    problems = _seccomp.wish_problems(POLICY, ["clone", "opne", "splice"], ["splice", "raed"])
    assert [problem.split(";")[0] for problem in problems] == [
        "seccomp_extra_allowed: cannot open clone for every argument: it is allowed for the safe ones already",
        "seccomp_extra_allowed: unknown system call 'opne'",
        "seccomp_extra_denied: unknown system call 'raed'",
        "splice is in both seccomp_extra_allowed and seccomp_extra_denied",
    ]


def test_an_opened_call_is_shown_with_its_reason() -> None:
    assert _seccomp.opened_by(POLICY, ["splice"]) == [
        "splice: Moves page-cache pages into pipes (Dirty Pipe CVE-2022-0847, CVE-2020-29374); "
        "tools fall back to read and write."
    ]


@pytest.mark.parametrize(
    ("call", "args", "answer"),
    [
        ("clone", (0x003D0F00,), "allow"),
        ("clone", (0x10000000,), errno.EPERM),
        ("clone", (BIT_32 | 0x10000000,), errno.EPERM),
        ("clone3", (), errno.ENOSYS),
        ("personality", (0xFFFFFFFF,), "allow"),
        ("personality", (0x0040000,), errno.EPERM),
        ("socket", (1, 1, 0), "allow"),
        ("socket", (2, 0x80801, 6), "allow"),
        ("socket", (2, 3, 1), errno.EPERM),
        ("socket", (16, 3, 0), "allow"),
        ("socket", (16, 3, 9), errno.EPROTONOSUPPORT),
        ("socket", (38, 5, 0), errno.EAFNOSUPPORT),
        ("socket", (BIT_32 | 40, 1, 0), errno.EAFNOSUPPORT),
        ("socket", (2, 1, 262), errno.EPROTONOSUPPORT),
        ("socketpair", (1, 1, 0), "allow"),
        ("socketpair", (30, 1, 0), errno.EAFNOSUPPORT),
        ("ioctl", (0, 0x5401), "allow"),
        ("ioctl", (0, 0x5412), errno.EPERM),
        ("ioctl", (0, BIT_32 | 0x5412), errno.EPERM),
        ("ioctl", (0, 0x541C), errno.EPERM),
        ("chmod", (0, 0o755), "allow"),
        ("chmod", (0, 0o2755), "allow"),
        ("chmod", (0, 0o4755), errno.EPERM),
        ("fchmodat", (0, 0, 0o4755), errno.EPERM),
        ("openat", (0, 0, 0o2, 0o4755), "allow"),
        ("openat", (0, 0, 0o100, 0o4755), errno.EPERM),
        ("openat", (0, 0, 0o100, 0o644), "allow"),
        ("openat", (0, 0, 0o20200000, 0o4755), errno.EPERM),
        ("mknod", (0, 0o010644), "allow"),
        ("mknod", (0, 0o020000), errno.EPERM),
        ("setsockopt", (0, 1, 25), "allow"),
        ("setsockopt", (0, 1, 26), errno.EPERM),
        ("setsockopt", (0, 1, 50), errno.EPERM),
        ("setsockopt", (0, 270, 1), errno.EPERM),
        ("io_uring_setup", (), errno.ENOSYS),
        ("a_call_of_tomorrow", (), errno.EPERM),
    ],
)
def test_what_arguments_are_answered(
    profile: dict[str, Any], call: str, args: tuple[int, ...], answer: str | int
) -> None:
    assert decide(profile, call, *args) == answer


def test_a_policy_that_contradicts_itself_is_refused_with_all_problems() -> None:
    broken = copy.deepcopy(POLICY)
    broken["allow"][0]["calls"].append("mount")
    broken["allow"][0]["calls"].append("write")
    broken["deny"][0]["reason"] = " "
    broken["levels"]["strict"].append("wriet")
    with pytest.raises(_seccomp.PolicyError) as caught:
        _seccomp.render_profile(broken)
    assert caught.value.problems == [
        "call mount is in both tables, allow and deny",
        "call write is twice in table allow",
        "the group of clock_settime has no reason",
        "call wriet is in level strict, but not among the allowed ones",
    ]


def test_the_text_is_the_profile_and_always_the_same(profile: dict[str, Any]) -> None:
    text = _seccomp.profile_text(profile)
    assert json.loads(text) == profile
    assert text == _seccomp.profile_text(_seccomp.render_profile(copy.deepcopy(POLICY)))
