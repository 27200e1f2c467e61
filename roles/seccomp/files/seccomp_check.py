# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a seccomp profile the way a container runtime does, and tries calls under it.

    python3 seccomp_check.py PROFILE            the filter loads and a program runs under it: exit 0
    python3 seccomp_check.py PROFILE --probe    JSON: what forbidden calls answer with and without the filter

The filter is made by libseccomp, the library that runc and crun use. Everything happens in child processes: a filter
cannot be taken off again. The forbidden calls carry arguments that make them harmless where they are allowed.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

NATIVE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
ACT_ALLOW = 0x7FFF0000
ACT_ERRNO = 0x00050000
ACT_LOG = 0x7FFC0000
CMP_MASKED_EQ = 7
NR_UNKNOWN = -1  # __NR_SCMP_ERROR; other negative numbers stand for calls of other architectures
TOP_KEYS = {"defaultAction", "defaultErrnoRet", "archMap", "syscalls"}
RULE_KEYS = {"names", "action", "errnoRet", "args", "comment"}
BIT_32 = 1 << 32
X32_BIT = 0x40000000


class ProfileError(Exception):
    """The profile cannot be used; the message says why."""


class _ArgCmp(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class Act(NamedTuple):
    """A call that the profile must refuse, with the answer it must give; a sealed one also in learning mode."""

    name: str
    call: str
    args: tuple[int, ...]
    answer: str
    sealed: bool = False


ACTS = (
    Act("mount a file system", "mount", (0, 0, 0, 0, 0), "EPERM", sealed=True),
    Act("unmount a file system", "umount2", (0, 0), "EPERM", sealed=True),
    Act("change the root", "pivot_root", (0, 0), "EPERM", sealed=True),
    Act("reboot", "reboot", (0, 0, 0, 0), "EPERM", sealed=True),
    Act("load a new kernel", "kexec_load", (0, 0, 0, -1), "EPERM", sealed=True),
    Act("load a module", "finit_module", (-1, 0, 0), "EPERM", sealed=True),
    Act("trace a process", "ptrace", (9999, 0, 0, 0), "EPERM", sealed=True),
    Act("set the clock", "clock_settime", (-1, 0), "EPERM", sealed=True),
    Act("set the time of day", "settimeofday", (1, 0), "EPERM", sealed=True),
    Act("unshare namespaces", "unshare", (0,), "EPERM", sealed=True),
    Act("make a user namespace", "clone", (0x10000200, 0, 0, 0, 0), "EPERM", sealed=True),
    Act("make a user namespace, bit 32 set", "clone", (BIT_32 | 0x10000200, 0, 0, 0, 0), "EPERM", sealed=True),
    Act("clone with hidden flags", "clone3", (0, 0), "ENOSYS", sealed=True),
    Act("set up io_uring", "io_uring_setup", (0, 0), "ENOSYS"),
    Act("load a BPF program", "bpf", (-1, 0, 0), "EPERM"),
    Act("use a keyring", "keyctl", (0x7FFFFFFF,), "EPERM"),
    Act("watch page faults", "userfaultfd", (-1,), "EPERM"),
    Act("open a file by handle", "open_by_handle_at", (-1, 0, 0), "EPERM"),
    Act("splice pages", "splice", (-1, 0, -1, 0, 0, 0), "ENOSYS"),
    Act("open a packet socket", "socket", (17, 3, 0), "EAFNOSUPPORT"),
    Act("open a packet socket, bit 32 set", "socket", (BIT_32 | 17, 3, 0), "EAFNOSUPPORT"),
    Act("open a socket-diagnosis socket", "socket", (16, 3, 4), "EPROTONOSUPPORT"),
    Act("type into a terminal", "ioctl", (-1, 0x5412, 0), "EPERM"),
    Act("type into a terminal, bit 32 set", "ioctl", (-1, BIT_32 | 0x5412, 0), "EPERM"),
    Act("set the setuid bit", "fchmod", (-1, 0o4755), "EPERM"),
    Act("create a setuid file", "openat", (-1, 0, os.O_CREAT, 0o4755), "EPERM"),
    Act("switch off address randomisation", "personality", (0x0040000,), "EPERM"),
    Act("attach a packet filter", "setsockopt", (-1, 1, 26, 0, 0), "EPERM"),
)


def _library() -> Any:
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError as error:
        raise ProfileError(f"libseccomp is not installed ({error}); install the package libseccomp2") from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_ArgCmp),
    ]  # fmt: skip
    return library


def read_profile(path: str) -> dict[str, Any]:
    try:
        profile = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProfileError(str(error)) from error
    if not isinstance(profile, dict) or set(profile) - TOP_KEYS or not {"defaultAction", "syscalls"} <= set(profile):
        raise ProfileError(f"the top level must have only {', '.join(sorted(TOP_KEYS))}")
    if profile["defaultAction"] not in ("SCMP_ACT_ERRNO", "SCMP_ACT_LOG"):
        raise ProfileError(f"the default action must be SCMP_ACT_ERRNO or SCMP_ACT_LOG, not {profile['defaultAction']}")
    architecture = NATIVE.get(platform.machine())
    if architecture not in [entry["architecture"] for entry in profile.get("archMap", [])]:
        raise ProfileError(f"it has no rules for this machine's architecture {platform.machine()}")
    plain: set[str] = set()
    filtered: set[str] = set()
    for rule in profile["syscalls"]:
        if set(rule) - RULE_KEYS or rule["action"] not in ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"):
            raise ProfileError(f"rule not understood: {json.dumps(rule)[:200]}")
        twice = plain.intersection(rule["names"]) | (set() if "args" in rule else filtered.intersection(rule["names"]))
        if twice:
            raise ProfileError(f"only the first of several rules counts for {', '.join(sorted(twice))}")
        (filtered if "args" in rule else plain).update(rule["names"])
    return profile


def _action(entry: dict[str, Any], action: str, number: str) -> int:
    if entry[action] == "SCMP_ACT_ERRNO":
        return ACT_ERRNO | int(entry.get(number, errno.EPERM))
    return ACT_ALLOW if entry[action] == "SCMP_ACT_ALLOW" else ACT_LOG


def load(library: Any, profile: dict[str, Any]) -> list[str]:
    """Puts the calling process under the filter for good; returns the names that this libseccomp does not know."""
    default = _action(profile, "defaultAction", "defaultErrnoRet")
    context = library.seccomp_init(default)
    unknown = []
    for rule in profile["syscalls"]:
        action = _action(rule, "action", "errnoRet")
        if action == default:  # libseccomp refuses such a rule, runtimes leave it out
            continue
        args = [_ArgCmp(test["index"], CMP_MASKED_EQ, test["value"], test["valueTwo"]) for test in rule.get("args", [])]
        array = (_ArgCmp * len(args))(*args)
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number == NR_UNKNOWN:
                unknown.append(name)
                continue
            result = library.seccomp_rule_add_array(context, action, number, len(args), array)
            if result < 0:
                raise ProfileError(f"libseccomp refuses the rule for {name}: {os.strerror(-result)}")
    result = library.seccomp_load(context)
    if result < 0:
        raise ProfileError(f"the kernel refuses the filter: {os.strerror(-result)}")
    return unknown


def in_child(work: Callable[[], Any]) -> Any:
    """The JSON result of `work`, done in a child process; a signal's name when it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            result: Any = {"result": work()}
        except ProfileError as error:
            result = {"error": str(error)}
        except OSError as error:
            result = {"error": f"a program cannot run under it ({error})"}
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    answer = json.loads(text or b'{"error": "the child ended without an answer"}')
    if "error" in answer:
        raise ProfileError(answer["error"])
    return answer["result"]


def _call(libc: Any, number: int, args: tuple[int, ...]) -> str:
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(arg) for arg in args]) == -1:
        return errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))
    return "ok"


def try_acts(library: Any, profile: dict[str, Any] | None) -> dict[str, Any]:
    """What each act answers in this process, under the filter if a profile is given."""
    libc = ctypes.CDLL(None, use_errno=True)
    unknown = load(library, profile) if profile else []
    answers = {}
    for act in ACTS:
        number = library.seccomp_syscall_resolve_name(act.call.encode())
        answers[act.name] = _call(libc, number, act.args) if number >= 0 else "unknown"
    child = os.fork()
    if child == 0:
        try:
            os.execv("/bin/true", ["true"])  # noqa: S606  no shell is wanted
        finally:
            os._exit(127)
    return {"answers": answers, "program_runs": os.waitpid(child, 0)[1] == 0, "unknown_calls": unknown}


def _foreign_abi(library: Any, profile: dict[str, Any]) -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    getpid = library.seccomp_syscall_resolve_name(b"getpid")
    return in_child(lambda: [load(library, profile), _call(libc, X32_BIT | getpid, ())])


def probe(library: Any, profile: dict[str, Any]) -> dict[str, Any]:
    """Every act with and without the filter. An act that fails in the same way without it proves nothing."""
    with_filter = in_child(lambda: try_acts(library, profile))
    without = in_child(lambda: try_acts(library, None))
    if isinstance(with_filter, str) or isinstance(without, str):
        raise ProfileError(f"the child that tried the calls was killed: {with_filter}, without the filter {without}")
    acts = []
    for act in [act for act in ACTS if act.sealed or profile["defaultAction"] == "SCMP_ACT_ERRNO"]:
        seen, control = with_filter["answers"][act.name], without["answers"][act.name]
        verdict = "not refused" if seen != act.answer else "no proof" if seen == control else "refused"
        acts.append({"act": act.name, "expected": act.answer, "answer": seen, "without": control, "verdict": verdict})
    if platform.machine() == "x86_64":
        seen = _foreign_abi(library, profile)
        verdict = "refused" if seen == "SIGSYS" else "not refused"
        acts.append({"act": "enter through the x32 ABI", "expected": "SIGSYS", "answer": seen, "verdict": verdict})
    verdicts = [act["verdict"] for act in acts]
    return {
        "ok": with_filter["program_runs"]
        and "not refused" not in verdicts
        and verdicts.count("refused") > len(verdicts) // 2,
        "program_runs": with_filter["program_runs"],
        "refused": verdicts.count("refused"),
        "no_proof": verdicts.count("no proof"),
        "not_refused": [act for act in acts if act["verdict"] == "not refused"],
        "acts": acts,
        "unknown_calls": with_filter["unknown_calls"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Loads a seccomp profile and tries calls under it.")
    parser.add_argument("profile")
    parser.add_argument("--probe", action="store_true", help="try forbidden calls and print the answers as JSON")
    options = parser.parse_args()
    try:
        library = _library()
        profile = read_profile(options.profile)
        if options.probe:
            result = probe(library, profile)
            print(json.dumps(result))
            return 0 if result["ok"] else 1
        outcome = in_child(lambda: try_acts(library, profile))
        if isinstance(outcome, str) or not outcome["program_runs"]:
            end = outcome if isinstance(outcome, str) else "/bin/true fails"
            raise ProfileError(f"a program cannot run under it ({end})")
    except ProfileError as error:
        print(f"cannot use the seccomp profile {options.profile}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
