# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Other processes: those that one may see, and those that one must not see at all."""

from __future__ import annotations

import ctypes
import os

from ..probe import ROOT, Figures, Probe, Surroundings
from ..toolkit import (
    REFUSED,
    SUCCEEDED,
    UNSUPPORTED,
    Outcome,
    call,
    end,
    own_cgroup,
    reached,
    resting_child,
    strangers,
    tried,
)


def trace(_figures: Figures) -> Outcome:
    """Attaches to a child as a debugger does."""
    child = resting_child()
    try:
        return reached("ptrace(PTRACE_ATTACH)", call("ptrace", 16, child, 0, 0))
    finally:
        end(child)


def move_memory(figures: Figures) -> Outcome:
    """Copies a few bytes between own memory and that of a child."""
    content = ctypes.create_string_buffer(b"12345678")
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(content), 8)
    child = resting_child()
    try:
        return reached(f"{figures['call']}()", call(figures["call"], child, vector, 1, vector, 1, 0))
    finally:
        end(child)


def open_memory(_figures: Figures) -> Outcome:
    """Opens the memory of a child as a file."""
    child = resting_child()
    try:
        return tried("open /proc/PID/mem", lambda: os.close(os.open(f"/proc/{child}/mem", os.O_RDWR)))
    finally:
        end(child)


def see_strangers(_figures: Figures) -> Outcome:
    """Lists processes that are not the container's."""
    found = strangers()
    seen = len([entry for entry in os.listdir("/proc") if entry.isdigit()])
    if found:
        return SUCCEEDED, f"{len(found)} of {seen} processes are not of this container"
    return REFUSED, f"{seen} processes, all of this container"


def read_stranger(_figures: Figures) -> Outcome:
    """Reads the environment of a process that is not the container's."""
    for entry in strangers():
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                return SUCCEEDED, f"read {len(file.read())} bytes of the environment of process {entry}"
        except OSError:
            continue
    return REFUSED, "no process of another container can be read"


def signal_stranger(_figures: Figures) -> Outcome:
    """Asks whether a process that is not the container's could be sent a signal."""
    for entry in strangers():
        try:
            os.kill(int(entry), 0)
        except OSError:
            continue
        return SUCCEEDED, f"may send signals to process {entry}"
    return REFUSED, "no process of another container can be reached"


def share_memory(figures: Figures) -> Outcome:
    """Looks for shared memory of another container."""
    found = [name for name in os.listdir("/dev/shm") if name.startswith(figures["prefix"])]
    if found:
        return SUCCEEDED, "found shared memory of another container"
    return REFUSED, "no shared memory of another container"


def learn_host_name(figures: Figures) -> Outcome:
    """Compares the machine's name with the host's."""
    if os.uname().nodename == figures["host"]:
        return SUCCEEDED, "the machine has the host's name"
    return REFUSED, "the machine has a name of its own"


def learn_cgroup(_figures: Figures) -> Outcome:
    """Reads where in the host's tree of cgroups the container is."""
    path = own_cgroup()
    if path in ("/", "/."):
        return REFUSED, "the own cgroup is the root of all that is seen"
    return (SUCCEEDED, f"the host's path is {path[:40]}") if len(path) > 1 else (UNSUPPORTED, "no cgroup")


def run_as_root(_figures: Figures) -> Outcome:
    """Tells who the container starts programs as."""
    if os.getuid() == 0:
        return SUCCEEDED, "programs start as root"
    return REFUSED, f"programs start as user {os.getuid()}"


def _prefix(surroundings: Surroundings) -> Figures:
    return {"prefix": f"bulkhead-companion-{surroundings.token}"}


_TRACE = ("seccomp", "apparmor")
_GUIDE = "deployment guide: ptrace"

PROBES = (
    Probe(
        id="ptrace",
        layer="L2",
        title="Attach to a process as a debugger",
        act=trace,
        defences=_TRACE,
        references=(_GUIDE, "CVE-2019-13272"),
    ),
    Probe(
        id="process_vm_readv",
        layer="L2",
        title="Read the memory of a process",
        act=move_memory,
        arguments={"call": "process_vm_readv"},
        defences=_TRACE,
        references=(_GUIDE,),
    ),
    Probe(
        id="process_vm_writev",
        layer="L2",
        title="Write into the memory of a process",
        act=move_memory,
        arguments={"call": "process_vm_writev"},
        defences=_TRACE,
        references=(_GUIDE,),
    ),
    Probe(
        id="process_memory_file",
        layer="L2",
        title="Open the memory of a process as a file",
        act=open_memory,
        defences=("apparmor",),
        references=("security design: deny /proc/*/mem",),
    ),
    Probe(
        id="foreign_processes",
        layer="L1",
        title="List processes outside",
        act=see_strangers,
        defences=("pid_namespace",),
        references=("security design: layer 1", "CIS Docker 5.16"),
    ),
    Probe(
        id="foreign_environment",
        layer="L1",
        title="Read the environment of a process outside",
        act=read_stranger,
        control_user=ROOT,
        defences=("pid_namespace",),
        references=("security design: layer 1", "CIS Docker 5.16"),
    ),
    Probe(
        id="foreign_signal",
        layer="L1",
        title="Send a signal to a process outside",
        act=signal_stranger,
        control_user=ROOT,
        defences=("pid_namespace",),
        references=("security design: layer 1", "CIS Docker 5.16"),
    ),
    Probe(
        id="foreign_shared_memory",
        layer="L1",
        title="Find shared memory of another container",
        act=share_memory,
        figures=_prefix,
        defences=("ipc_namespace",),
        references=("security design: ipc_mode private", "CIS Docker 5.17"),
    ),
    Probe(
        id="host_name",
        layer="L1",
        title="Learn the name of the host",
        act=learn_host_name,
        figures=lambda surroundings: {"host": surroundings.host_name},
        defences=("uts_namespace",),
        references=("security design: layer 1", "CIS Docker 5.21"),
    ),
    Probe(
        id="cgroup_path",
        layer="L1",
        title="Learn the place in the host's cgroups",
        act=learn_cgroup,
        inward=True,
        defences=("cgroup_namespace",),
        references=("security design: layer 1", "CIS Docker 5.25"),
    ),
    Probe(
        id="root_inside",
        layer="L1",
        title="Start programs as root",
        act=run_as_root,
        user="default",
        defences=("user",),
        references=("deployment guide: appuser", "CIS Docker 4.1"),
    ),
)
