# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the acts of all probes share. This file travels into the container as it is, in front of the acts.

So it imports nothing but Python's standard library, and nothing in it knows what a defence is: an act tries, and tells
how it ended. Syscall numbers are those of the kernel's tables for x86_64 and aarch64.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import re
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

SUCCEEDED, REFUSED, UNSUPPORTED = "succeeded", "refused", "unsupported"
Outcome = tuple[str, str]
Figures = Mapping[str, Any]

_ARM = platform.machine() == "aarch64"
# Name: (x86_64, aarch64); None where the architecture has no such call.
NUMBERS: dict[str, tuple[int, int | None]] = {
    "acct": (163, 89), "add_key": (248, 217), "bpf": (321, 280), "capset": (126, 91), "chroot": (161, 51),
    "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435), "delete_module": (176, 106),
    "fanotify_init": (300, 262), "finit_module": (313, 273), "fsconfig": (431, 431), "fsopen": (430, 430),
    "getpid": (39, 172), "init_module": (175, 105), "io_setup": (206, 0), "io_uring_setup": (425, 425),
    "ioctl": (16, 29), "iopl": (172, None), "kcmp": (312, 272), "kexec_load": (246, 104), "keyctl": (250, 219),
    "memfd_secret": (447, 447), "modify_ldt": (154, None), "mount": (165, 40), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438), "pivot_root": (155, 41),
    "process_madvise": (440, 440), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "ptrace": (101, 117), "quotactl": (179, 60), "reboot": (169, 142), "request_key": (249, 218), "setns": (308, 268),
    "sethostname": (170, 161), "settimeofday": (164, 170), "swapon": (167, 224), "syslog": (103, 116),
    "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282), "vmsplice": (278, 75), "msgget": (68, 186),
}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def call(name: str | int, *arguments: Any) -> int:
    """Makes a system call; its result, or the error number, negative."""
    number = name if isinstance(name, int) else NUMBERS[name][_ARM]
    if number is None:
        return -errno.ENOSYS
    ctypes.set_errno(0)
    words = [ctypes.c_long(entry) if isinstance(entry, int) else entry for entry in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    return -ctypes.get_errno() if result == -1 else result


def name_of(error: int) -> str:
    """EPERM rather than 1."""
    return errno.errorcode.get(error, str(error))


def reached(what: str, result: int, also: tuple[int, ...] = ()) -> Outcome:
    """Reads a call that every caller may make, made with arguments that the kernel finds fault with.

    Where the kernel judges the arguments, the caller has reached its code, and that is what must not be possible.
    Numbers in `also` are errors that tell the same though they look like something else.
    """
    if result >= 0:
        return SUCCEEDED, f"{what} returned {result}"
    error = name_of(-result)
    if -result in also:
        return SUCCEEDED, f"{what}: the kernel judged the arguments, {error}"
    if -result in (errno.EPERM, errno.EACCES):
        return REFUSED, f"{what}: {error}"
    if -result in (errno.ENOSYS, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EOPNOTSUPP):
        return UNSUPPORTED, f"{what}: {error}"
    return SUCCEEDED, f"{what}: the kernel judged the arguments, {error}"


def tried(what: str, attempt: Callable[[], object]) -> Outcome:
    """Runs something that raises OSError where it is refused."""
    try:
        result = attempt()
    except FileNotFoundError as error:
        return UNSUPPORTED, f"{what}: {error.strerror}"
    except OSError as error:
        return REFUSED, f"{what}: {name_of(error.errno or 0)} ({error.strerror})"
    return SUCCEEDED, f"{what}: {'done' if result is None else result}"


def each(what: str, entries: Sequence[Any], attempt: Callable[[Any], object]) -> Outcome:
    """Tries the same with each of some things."""

    def one(entry: Any) -> Outcome:
        return tried(f"{what} {entry}", lambda: attempt(entry))

    return any_of([one(entry) for entry in entries])


def any_of(outcomes: list[Outcome]) -> Outcome:
    """One success is a success; a refusal counts for more than something that is not there."""
    for wanted in (SUCCEEDED, REFUSED, UNSUPPORTED):
        found = [evidence for status, evidence in outcomes if status == wanted]
        if found:
            return wanted, "; ".join(found)
    return UNSUPPORTED, "nothing to try"


def scratch(directory: str) -> str:
    """A file name of ours; whatever is left under it is removed with the batch."""
    return os.path.join(directory, f".{os.environ.get('BULKHEAD_PROBE', 'bulkhead-probe')}-{os.getpid()}")


def tiny_program() -> bytes:
    """A static program of a few instructions: it ends with 42 if its effective user is root, else with 43."""
    if _ARM:
        # mov x8,#175 (geteuid); svc; cmp x0,#0; cset x0,ne; add x0,x0,#42; mov x8,#93 (exit); svc
        words = (0xD28015E8, 0xD4000001, 0xF100001F, 0x9A9F07E0, 0x9100A800, 0xD2800BA8, 0xD4000001)
        code, machine = struct.pack("<7I", *words), 183
    else:
        # mov eax,107 (geteuid); syscall; xor edi,edi; test eax,eax; setne dil; add edi,42; mov eax,60 (exit); syscall
        code, machine = bytes.fromhex("b86b0000000f0531ff85c0400f95c783c72ab83c0000000f05"), 62
    size, base = 64 + 56 + len(code), 0x400000
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code


def place_program(path: str, mode: int = 0o755) -> None:
    """Writes the tiny program, executable."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755)
    try:
        os.write(descriptor, tiny_program())
    finally:
        os.close(descriptor)
    if mode != 0o755:
        os.chmod(path, mode)


def run_program(path: str, user: int | None = None) -> int:
    """Runs a file as a program, if wished as another user; its exit status, or the error number, negative."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if user is not None:
                os.setgid(user)
                os.setuid(user)
            os.execv(path, [path])  # noqa: S606
        except OSError as error:
            os.write(writer, struct.pack("<i", error.errno or 0))
        os._exit(1)
    os.close(writer)
    answer = os.read(reader, 4)
    os.close(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return -struct.unpack("<i", answer)[0] if answer else status


def resting_child() -> int:
    """A child that sleeps until it is killed, and half a minute at the most."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        signal.pause()
        os._exit(0)
    return child


def end(child: int) -> None:
    """Ends a child of ours."""
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def own_cgroup(process: str = "self") -> str:
    """The cgroup of a process as it is seen here."""
    with open(f"/proc/{process}/cgroup") as file:
        return file.read().splitlines()[-1].split(":", 2)[2]


def processor_seconds() -> tuple[float, str]:
    """The processor time that the own cgroup has used, and who says so; that of ended children where there is none."""
    try:
        with open("/sys/fs/cgroup/cpu.stat") as file:
            return int(dict(line.split() for line in file)["usage_usec"]) / 1e6, "the cgroup's usage"
    except (OSError, KeyError):
        return sum(os.times()[2:4]), "the processes' usage"


def strangers() -> list[str]:
    """Processes of another cgroup than the own one and those below it."""
    own, found = own_cgroup(), []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                path = own_cgroup(entry)
            except (OSError, IndexError):
                continue
            below = path.startswith(own.rstrip("/") + "/") and not path.startswith("/..")
            if path != own and not below:
                found.append(entry)
    return found


def looks_secret(content: bytes) -> bool:
    """Whether bytes hold what keys of model APIs, clouds and package registries look like."""
    shapes = rb"sk-ant-[A-Za-z0-9_-]{16}|AKIA[A-Z0-9]{16}|ghp_[A-Za-z0-9]{30}|npm_[A-Za-z0-9]{30}"
    shapes += rb"|BEGIN [A-Z ]*PRIVATE KEY"
    return re.search(shapes, content) is not None


def _outcome(act: Callable[[Figures], Outcome], figures: Figures) -> Outcome:
    try:
        return act(figures)
    except OSError as error:
        return REFUSED, f"{name_of(error.errno or 0)} ({error.strerror})"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"


def _work(entries: Sequence[Mapping[str, Any]], writer: int) -> None:
    """Runs acts one after the other, telling each outcome, until one of them wants to have been the last."""
    os.setpgid(0, 0)
    for entry in entries:
        signal.alarm(int(entry["timeout"]) + 1)
        began = time.monotonic()
        kind, evidence = _outcome(globals()[entry["act"]], entry["figures"])
        told = {"id": entry["id"], "outcome": kind, "evidence": evidence, "seconds": round(time.monotonic() - began, 2)}
        os.write(writer, json.dumps(told).encode() + b"\n")
        if entry["alone"]:
            return


def _lines(reader: int, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a worker tells, until it ends or an act's time is over."""
    rest = b""
    for entry in entries:
        until = time.monotonic() + entry["timeout"] + 2
        while b"\n" not in rest:
            if not select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
                return
            chunk = os.read(reader, 65536)
            if not chunk:
                return
            rest += chunk
        line, _newline, rest = rest.partition(b"\n")
        yield line.decode()


def run_acts(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Runs acts in workers of their own; a JSON line each.

    Starting a process is what costs most on some machines, so a worker runs as many acts as it can. One that dies, or
    takes too long, ends with everything that it started, and another goes on behind the act that it was at.
    """
    left = list(entries)
    while left:
        reader, writer = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(reader)
            _work(left, writer)
            os._exit(0)
        os.close(writer)
        told = 0
        for line in _lines(reader, left):
            yield line
            told += 1
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker, signal.SIGKILL)
        os.close(reader)
        status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        ended = told > 0 and left[told - 1]["alone"]
        if told < len(left) and not ended:
            lost = left[told]
            # The filter kills who uses a forbidden architecture; everything else is no answer.
            killed = status == -signal.SIGSYS
            outcome = (REFUSED, "killed by SIGSYS") if killed else ("failed", f"no answer, status {status}")
            yield json.dumps({"id": lost["id"], "outcome": outcome[0], "evidence": outcome[1], "seconds": 0.0})
            told += 1
        left = left[told:]


def kernel_name() -> str:
    """The kernel that answers, as it calls itself."""
    return f"{os.uname().release} {os.uname().version}"


def holds_its_bound() -> bool:
    """Whether this process may use every capability of its bounding set."""
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["CapPrm"], 16) == int(fields["CapBnd"], 16)


def perform_batch() -> None:
    """Runs the acts of the first argument's list in order; a JSON line each, as soon as it is known.

    The second argument is the token of the run, under which files are made that must be gone afterwards.
    """
    os.environ["BULKHEAD_PROBE"] = sys.argv[2]
    _say(json.dumps({"kernel": kernel_name(), "whole": holds_its_bound()}))
    for line in run_acts(json.loads(sys.argv[1])):
        _say(line)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
