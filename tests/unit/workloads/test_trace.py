# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that strace really writes -> calls with numbers, and accesses in AppArmor's letters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from workloads import cpython, escapes, judge, trace


def one(line: str) -> trace.Call:
    (call,) = trace.calls([line])
    return call


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("7 clone(child_stack=0, flags=0x1200011, child_tidptr=0x7f) = 12", (0, 0x1200011, 0, 0, 0, 0)),
        ("7 fchmodat(-100</workspace>, \"a, b\", 0644) = 0", (2**64 - 100, 0, 0o644, 0, 0, 0)),
        ("7 socket(0x1, 0x1|0x80000, 0) = 3<socket:[1]>", (1, 0x80001, 0, 0, 0, 0)),
        ("7 ioctl(1</dev/pts/0>, 0x5401, {c_iflag=0x500, c_line=0}) = 0", (1, 0x5401, 0, 0, 0, 0)),
    ],
)  # fmt: skip
def test_arguments_become_numbers(line: str, numbers: tuple[int, ...]) -> None:
    assert one(line).numbers() == numbers


def test_an_interrupted_call_is_put_together() -> None:
    lines = ["7 wait4(-1,  <unfinished ...>", "8 getpid() = 8", "7 <... wait4 resumed>0x7f, 0, NULL) = 8"]
    assert [(call.name, len(call.args), call.result) for call in trace.calls(lines)] == [
        ("getpid", 1, 8),
        ("wait4", 4, 8),
    ]


@pytest.mark.parametrize(
    ("line", "access"),
    [
        ('7 openat(-100</>, "x", 0x80000) = 3</etc/passwd>', ("/etc/passwd", "r")),
        ('7 openat(-100</>, "x", 0x241, 0644) = 3</tmp/x>', ("/tmp/x", "w")),
        ('7 openat(-100</>, "/proc/self/fd", 0x90800) = 3</proc/7/fd>', ("/proc/7/fd/", "r")),
        ("7 mmap(NULL, 8192, 0x5, 0x802, 3</usr/lib/x.so>, 0x1000) = 0x7f", ("/usr/lib/x.so", "m")),
        ("7 mmap(NULL, 8192, 0x3, 0x22, -1, 0) = 0x7f", None),
        ('7 execve("/usr/bin/git", ["git"], 0x7f /* 9 vars */) = 0', ("/usr/bin/git", "x")),
        ('7 connect(3<socket:[1]>, {sa_family=0x1, sun_path="/run/proxy/s"}, 24) = 0', ("/run/proxy/s", "w")),
        ('7 unlinkat(4</workspace>, "old", 0) = 0', ("/workspace/old", "w")),
        ('7 openat(-100</>, "/etc/shadow", 0x80000) = -1 EACCES (Permission denied)', None),
    ],
)  # fmt: skip
def test_file_accesses_have_the_letters_of_apparmor(line: str, access: tuple[str, str] | None) -> None:
    assert trace.access(one(line)) == access


def test_the_judge_of_paths_adds_up_permissions_and_lets_a_denial_win() -> None:
    text = "  /opt/{,**} r,\n  owner /opt/tools/** ix,\n  audit deny /opt/secret rw,\n"
    assert judge.missing(text, "/opt/tools/a", "rx") == ""
    assert judge.missing(text, "/opt/tools/a", "rwx") == "w"
    assert judge.missing(text, "/opt/secret", "r") == "r"


def test_an_answer_proves_only_where_the_kernel_has_the_thing() -> None:
    control = {"a": "ok", "b": "ENOSYS", "c": "EPERM", "d": "EINVAL", "e": "ok"}
    confined = {"a": "EPERM", "b": "EPERM", "c": "EPERM", "d": "EPERM", "e": "ok"}
    assert escapes.proved(confined, control) == ["a", "d"]
    assert escapes.succeeded(confined, control) == ["a"]
    assert escapes.not_refused(confined) == ["e"]


def test_what_did_not_pass_counts_where_dockers_default_lets_it_pass() -> None:
    splice = "test.test_os.FileTests.test_splice"
    names = ["test.a", "test.b", "test.c", splice, "Tests:", "test.test_socket.UDPLITETest.test_x"]
    missed = cpython.not_passed(names, {splice: "skip", "test.b": "fail", "test.c": "pass"})
    assert missed == {"test.a": "did not run", "test.b": "fail", splice: "skip"}
    found = cpython.differences(missed, {splice: "pass", "test.a": "pass", "test.b": "fail"})
    assert [(one.test, one.ours, bool(one.reason)) for one in found] == [
        ("test.a", "did not run", False),
        (splice, "skip", True),
    ]


def test_a_reason_of_level_strict_is_none_at_level_standard() -> None:
    name = "test.test_signal.ItimerTest.test_itimer_real"
    missed, default = {name: "fail"}, {name: "pass"}
    assert [bool(one.reason) for one in cpython.differences(missed, default, "strict")] == [True]
    assert [bool(one.reason) for one in cpython.differences(missed, default)] == [False]


def test_a_difference_without_a_reason_stays_only_if_it_fails_alone_too() -> None:
    found = [cpython.Difference(name, "fail", reason) for name, reason in (("a", ""), ("b", ""), ("c", "known"))]
    asked: list[list[str]] = []

    def again(tests: Sequence[str]) -> dict[str, str]:
        asked.append(list(tests))
        return {"a": "pass", "b": "fail"}

    assert cpython.unexplained(found, again) == [found[1]]
    assert asked == [["a", "b"], ["b"], ["b"]]


def test_a_test_that_ran_twice_has_its_better_outcome() -> None:
    xml = (
        "<testsuites><testsuite><testcase name='a'><error/></testcase><testcase name='a'/>"
        "<testcase name='b'><skipped/></testcase></testsuite></testsuites>"
    )
    assert cpython.outcomes(xml) == {"a": "pass", "b": "skip"}
