# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Calls that want a capability, made as root inside. Filter, bounding set and AppArmor's list each stop them alone.

What would harm is called with worthless arguments, after which the kernel has already said yes to the privilege:
reboot() with a wrong magic number, kexec_load() and init_module() with nothing to load.
"""

from __future__ import annotations

import ctypes
import errno
import os

from ..capabilities import BITS
from ..probe import APPARMOR_4, ROOT, Figures, Probe
from ..toolkit import REFUSED, SUCCEEDED, Outcome, call, reached

_WITH_A_CAPABILITY = ("seccomp", "capabilities", "apparmor")
# Capabilities of the host's own user namespace: inside another one, nobody has them.
_OF_THE_HOST = (*_WITH_A_CAPABILITY, "userns")
_GUIDE = "deployment guide: denied system calls"


def call_as_root(figures: Figures) -> Outcome:
    """Makes one call; texts among the arguments are passed as strings."""
    arguments = [entry.encode() if isinstance(entry, str) else entry for entry in figures["arguments"]]
    return reached(f"{figures['call']}()", call(figures["call"], *arguments), also=tuple(figures.get("also", ())))


def unshare(figures: Figures) -> Outcome:
    """Leaves one namespace for a new one, in a process of its own."""
    return reached(f"unshare({figures['name']})", call("unshare", figures["flag"]))


def enter_namespace(_figures: Figures) -> Outcome:
    """Enters the namespace that it is in already."""
    descriptor = os.open("/proc/self/ns/net", os.O_RDONLY)
    return reached("setns() of a network namespace", call("setns", descriptor, 0x40000000))


def name_the_host(_figures: Figures) -> Outcome:
    """Gives the machine the name that it has."""
    name = os.uname().nodename.encode()
    return reached("sethostname()", call("sethostname", name, len(name)))


def open_by_handle(_figures: Figures) -> Outcome:
    """Opens a file of the host's file system by its number alone; the first container escape worked so."""
    handle = ctypes.create_string_buffer(136)
    ctypes.memmove(handle, (128).to_bytes(4, "little"), 4)
    mount = ctypes.c_int(0)
    result = call("name_to_handle_at", -100, b"/etc/hosts", handle, ctypes.byref(mount), 0)
    if result < 0:
        return reached("name_to_handle_at()", result)
    descriptor = os.open("/etc/hosts", os.O_RDONLY)
    result = call("open_by_handle_at", descriptor, handle, os.O_RDONLY)
    return (
        reached("open_by_handle_at()", result) if result != -errno.ESTALE else (REFUSED, "open_by_handle_at(): ESTALE")
    )


def raise_capabilities(figures: Figures) -> Outcome:
    """Takes capabilities that are not in the bounding set, one by one, until one is given."""
    allowed = set(figures["allowed"])
    for number in sorted(set(range(41)) - allowed):
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = (ctypes.c_uint32 * 6)()
        data[3 * (number // 32)] = data[3 * (number // 32) + 1] = 1 << (number % 32)
        if call("capset", header, data) == 0:
            return SUCCEEDED, f"took capability {number}"
    return REFUSED, f"none but {sorted(allowed)} could be taken"


def _row(
    name: str, arguments: tuple[int | str, ...], title: str, *references: str, defences: tuple[str, ...], **more: object
) -> Probe:
    constants: dict[str, object] = {"call": name, "arguments": arguments, **more}
    return Probe(
        id=str(more.get("probe_id") or name),
        layer="L2",
        title=title,
        act=call_as_root,
        arguments=constants,
        user=ROOT,
        alone=name == "chroot",
        defences=defences,
        references=(*references, "CIS Docker 5.4"),
    )


_NAMESPACES = {
    "mnt": 0x00020000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
    "time": 0x00000080,
}

PROBES = (
    _row("mount", ("none", "/mnt", "tmpfs", 0, ""), "Mount a file system", _GUIDE, defences=_WITH_A_CAPABILITY),
    _row("umount2", ("/dev/mqueue", 4), "Unmount a file system", _GUIDE, defences=_WITH_A_CAPABILITY,
         also=(errno.EAGAIN, errno.EBUSY)),
    _row("pivot_root", ("/", "/"), "Change the root file system", _GUIDE, defences=_WITH_A_CAPABILITY),
    _row("chroot", ("/",), "Change the root directory", "security design: capabilities", defences=_WITH_A_CAPABILITY),
    _row("fsopen", ("tmpfs", 0), "Mount by the new interface", "CVE-2022-0185", defences=_WITH_A_CAPABILITY),
    _row("open_tree", (-100, "/", 1), "Clone a part of the mount tree", _GUIDE, defences=_WITH_A_CAPABILITY),
    _row("kexec_load", (0, 0, 0, 0xFFFF), "Replace the running kernel", _GUIDE, defences=_OF_THE_HOST),
    _row("init_module", (0, 0, ""), "Load a kernel module", _GUIDE, defences=_OF_THE_HOST),
    _row("finit_module", (-1, "", 0), "Load a kernel module from a file", _GUIDE, defences=_OF_THE_HOST),
    _row("delete_module", ("bulkhead_no_such", 0x800), "Unload a kernel module", _GUIDE, defences=_OF_THE_HOST),
    _row("settimeofday", (0, 0), "Set the host's clock", _GUIDE, defences=_OF_THE_HOST),
    _row("reboot", (1, 2, 3, 0), "Restart the machine", _GUIDE, defences=_WITH_A_CAPABILITY),
    _row("syslog", (8, 0, 99), "Set what the kernel prints", "security design: seccomp", defences=_OF_THE_HOST),
    _row("acct", (0,), "Switch process accounting", "security design: seccomp", defences=_OF_THE_HOST),
    *(
        Probe(
            id=f"unshare_{name}",
            layer="L2",
            title=f"Make a new {name} namespace",
            act=unshare,
            arguments={"name": name, "flag": flag},
            alone=True,
            user=ROOT,
            defences=_WITH_A_CAPABILITY,
            references=("security design: privilege escalation",),
        )
        for name, flag in _NAMESPACES.items()
    ),
    Probe(
        id="unshare_user",
        layer="L2",
        title="Become root of a new user namespace",
        act=unshare,
        arguments={"name": "user", "flag": 0x10000000},
        alone=True,
        defences=("seccomp", "apparmor"),
        needs={"apparmor": APPARMOR_4},
        references=("CVE-2022-0185", "CVE-2022-25636", "CVE-2023-32233", "CVE-2024-1086"),
    ),
    Probe(
        id="setns",
        layer="L2",
        title="Enter a network namespace",
        act=enter_namespace,
        alone=True,
        user=ROOT,
        defences=_WITH_A_CAPABILITY,
        references=("security design: container escape",),
    ),
    Probe(
        id="sethostname",
        layer="L1",
        title="Name the machine",
        act=name_the_host,
        user=ROOT,
        defences=_WITH_A_CAPABILITY,
        references=("security design: capabilities", "CIS Docker 5.21"),
    ),
    Probe(
        id="open_by_handle",
        layer="L2",
        title="Open a file of the host by its number",
        act=open_by_handle,
        user=ROOT,
        defences=_OF_THE_HOST,
        references=("security design: container escape", "CVE-2014-3519"),
    ),
    Probe(
        id="capset",
        layer="L1",
        title="Take a capability beyond the bound",
        act=raise_capabilities,
        alone=True,
        figures=lambda surroundings: {"allowed": sorted(BITS[name] for name in surroundings.capabilities)},
        user=ROOT,
        inward=True,
        defences=("capabilities",),
        references=("security design: cap_drop ALL", "CIS Docker 5.4"),
    ),
)  # fmt: skip
