# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Files in which the kernel tells about itself, or takes orders. Opened as root, and no order is given."""

from __future__ import annotations

import os

from ..probe import ROOT, Figures, Probe
from ..toolkit import Outcome, each, own_cgroup


def open_files(figures: Figures) -> Outcome:
    """Opens the first of some files that exists, to read or to write."""
    flags = os.O_WRONLY if figures["write"] else os.O_RDONLY

    def opened(path: str) -> str:
        descriptor = os.open(path, flags | os.O_NONBLOCK)
        try:
            if figures["write"]:
                return "opened for writing"
            content = os.read(descriptor, 512)
            if not content and figures.get("content"):
                raise OSError(13, "masked: nothing in it")
            return f"read {len(content)} bytes"
        finally:
            os.close(descriptor)

    return each("open", figures["paths"], opened)


def open_limits(_figures: Figures) -> Outcome:
    """Opens the files of the own cgroup in which the limits are, wherever it is seen."""
    own = own_cgroup().rstrip("/")
    paths = [f"/sys/fs/cgroup{own}/{name}" for name in ("memory.max", "pids.max", "cpu.max")]
    return each("open", paths, lambda path: os.close(os.open(path, os.O_WRONLY)))


def _probe(
    probe_id: str,
    title: str,
    paths: tuple[str, ...],
    defences: tuple[str, ...],
    *references: str,
    write: bool = False,
    content: bool = False,
    layer: str = "L2",
) -> Probe:
    return Probe(
        id=probe_id,
        layer=layer,
        title=title,
        act=open_files,
        arguments={"paths": paths, "write": write, "content": content},
        user=ROOT,
        defences=defences,
        references=references,
    )


_GUIDE = "deployment guide: explicit denials"

PROBES = (
    _probe("read_shadow", "Read password hashes", ("/etc/shadow", "/etc/gshadow"), ("apparmor",), _GUIDE),
    _probe("read_kallsyms", "Read the kernel's symbols", ("/proc/kallsyms",), ("apparmor",), _GUIDE),
    _probe(
        "read_keys",
        "Read the kernel's list of keys",
        ("/proc/keys",),
        ("apparmor", "masked_paths"),
        _GUIDE,
        content=True,
    ),
    _probe(
        "read_kernel_memory",
        "Read the memory of the kernel",
        ("/proc/kcore",),
        ("apparmor", "masked_paths", "capabilities", "userns"),
        _GUIDE,
        content=True,
    ),
    _probe(
        "read_kernel_log",
        "Read the kernel's log as a file",
        ("/proc/kmsg",),
        ("apparmor", "capabilities", "userns"),
        _GUIDE,
    ),
    _probe(
        "read_timers",
        "Read the timers of the whole machine",
        ("/proc/timer_list",),
        ("apparmor", "masked_paths", "userns"),
        _GUIDE,
        content=True,
    ),
    _probe(
        "write_sysrq",
        "Press the magic key",
        ("/proc/sysrq-trigger",),
        ("apparmor", "readonly_paths", "userns"),
        _GUIDE,
        "CIS Docker 5.5",
        write=True,
    ),
    _probe(
        "write_core_pattern",
        "Change a setting of the kernel: the program that the host runs on a crash",
        ("/proc/sys/kernel/core_pattern",),
        ("apparmor", "readonly_paths", "userns"),
        _GUIDE,
        write=True,
    ),
    _probe(
        "write_sys",
        "Change a setting of a device or of the kernel under /sys",
        ("/sys/module/printk/parameters/time", "/sys/kernel/mm/ksm/run", "/sys/kernel/rcu_expedited"),
        ("apparmor", "unprivileged", "userns"),
        "deployment guide: deny /sys/** w",
        "CIS Docker 5.5",
        write=True,
    ),
    Probe(
        id="write_cgroup_limit",
        layer="L3",
        title="Raise the own limits in the cgroup's files",
        act=open_limits,
        user=ROOT,
        # A daemon that remaps users mounts the container's cgroup writable: only owner and profile keep root out.
        defences=("apparmor", "userns"),
        references=("security design: resource limits", "CVE-2022-0492"),
    ),
)
