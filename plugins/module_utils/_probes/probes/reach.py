# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reaches into kernel code that most escapes begin in, with arguments that the kernel finds fault with for everybody.

These calls need no privilege, so only the filter stands in front of that code. A plain `docker run` gets in where
Docker's own profile is off; nothing is changed there, because the arguments are worthless.
"""

from __future__ import annotations

import ctypes

from ..probe import Figures, Probe
from ..toolkit import Outcome, call, reached

ANY = 0x7FFFFFFF


def reach(figures: Figures) -> Outcome:
    """Makes one call; "buffer" among the arguments stands for a page of zeros."""
    page = ctypes.create_string_buffer(4096)
    arguments = [page if entry == "buffer" else entry for entry in figures["arguments"]]
    return reached(f"{figures['call']}()", call(figures["call"], *arguments))


def reach_clock(_figures: Figures) -> Outcome:
    """A time that is none: the kernel says so before it asks who wants to set it."""
    wrong = (ctypes.c_long * 2)(0, -1)
    return reached("settimeofday() with a wrong time", call("settimeofday", wrong, None))


def reach_clone3(_figures: Figures) -> Outcome:
    """A user namespace by the call whose flags no filter can read. The size is wrong, so nothing starts."""
    wanted = (ctypes.c_uint64 * 8)(0x10000000)
    return reached("clone3() for a user namespace", call("clone3", wanted, 8))


def reach_x32(_figures: Figures) -> Outcome:
    """getpid() by its x32 number, which filters that look at numbers alone forget."""
    return reached("getpid() by its x32 number", call(0x40000000 + 39))


def reach_typing(_figures: Figures) -> Outcome:
    """TIOCSTI types into a terminal as if somebody sat there. The descriptor is wrong, so nothing is typed."""
    return reached("ioctl(TIOCSTI)", call("ioctl", -1, 0x5412, ctypes.create_string_buffer(b"x")))


def _row(name: str, arguments: tuple[int | str, ...], title: str, *references: str, probe_id: str = "") -> Probe:
    return Probe(
        id=f"call_{probe_id or name}",
        layer="L2",
        title=title,
        act=reach,
        alone=name == "personality",
        arguments={"call": name, "arguments": arguments},
        defences=("seccomp",),
        references=(*references, "CIS Docker 5.22"),
    )


def _single(probe_id: str, act: object, title: str, *references: str) -> Probe:
    return Probe(
        id=probe_id,
        layer="L2",
        title=title,
        act=act,  # type: ignore[arg-type]
        defences=("seccomp",),
        references=(*references, "CIS Docker 5.22"),
    )


PROBES = (
    _row("bpf", (9999, "buffer", 1 << 20), "Reach the kernel's program loader", "CVE-2021-3490", "CVE-2022-23222"),
    _row("perf_event_open", ("buffer", 0, -1, -1, 0xFFFF), "Reach the performance counters", "CVE-2022-1729"),
    _row(
        "userfaultfd",
        (1,),
        "Handle own page faults, which makes kernel races deterministic",
        "kernel: vm.unprivileged_userfaultfd",
    ),
    _row("keyctl", (0, -3, 0), "Look into keyrings, which belong to a user and not to a container", "CVE-2016-0728"),
    _row("add_key", (0, 0, 0, 0, -2), "Add a key to a keyring", "CVE-2017-15274"),
    _row("request_key", (0, 0, 0, 0), "Ask for a key, which starts a helper on the host", "CVE-2017-17807"),
    _row("io_uring_setup", (0, 0), "Set up a ring for calls past every filter", "CVE-2022-2602", "CVE-2024-0582"),
    _row("fanotify_init", (0x201, 0), "Watch whole file systems", "CVE-2022-1998"),
    _row("kcmp", (1, 1, 99, 0, 0), "Compare kernel pointers of processes", "deployment guide: denied system calls"),
    _row(
        "pidfd_getfd", (-1, 0, 0), "Take a descriptor out of another process", "deployment guide: denied system calls"
    ),
    _row("process_madvise", (-1, 0, 0, 0, 0), "Steer the memory of another process", "security design: seccomp"),
    _row("setns", (-1, 0), "Enter a namespace", "security design: seccomp"),
    _row("unshare", (ANY,), "Reach the code that makes namespaces", "CVE-2022-0185", "CVE-2024-1086"),
    _row("mount_setattr", (-1, 0, 0, 0, 0), "Reach the mount interface", "security design: seccomp"),
    _row("fsconfig", (-1, 99, 0, 0, 0), "Reach the file system parsers", "CVE-2022-0185"),
    _row("quotactl", (0xFF, 0, 0, 0), "Reach the quotas of the host's file systems", "security design: seccomp"),
    _row("swapon", (0, ANY), "Reach the swap devices of the host", "deployment guide: denied system calls"),
    _row("personality", (0x0040000,), "Switch off address randomisation", "security design: seccomp"),
    _row("iopl", (99,), "Reach the processor's ports", "security design: seccomp"),
    _row("modify_ldt", (0, "buffer", 16), "Reach segment descriptors", "CVE-2015-5157", "CVE-2017-17053"),
    _row("io_setup", (0, 0), "Reach the old asynchronous input and output", "CVE-2016-10044"),
    _row("vmsplice", (-1, 0, 0, 0), "Put own pages into pipes", "CVE-2008-0600"),
    _row("msgget", (0, 0x1FF), "Make message queues, the usual heap spray", "CVE-2021-22555"),
    _row("memfd_secret", (ANY,), "Hide memory from the host", "security design: seccomp"),
    _row("clock_settime", (99, "buffer"), "Reach the setting of clocks", "deployment guide: denied system calls"),
    _single("call_settimeofday", reach_clock, "Reach the setting of the time of day", "deployment guide: settimeofday"),
    _single("call_clone3", reach_clone3, "Ask for namespaces past the filter on flags", "CVE-2022-0185"),
    _single("call_x32", reach_x32, "Use the numbers of another architecture", "security design: seccomp"),
    _single("terminal_input", reach_typing, "Type into the terminal of whoever looks in", "CVE-2017-5226"),
)
