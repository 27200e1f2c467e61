# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The root file system, and what may be done on the file systems that can be written."""

from __future__ import annotations

import os

from ..probe import ROOT, Figures, Impossible, Probe, Surroundings
from ..toolkit import REFUSED, SUCCEEDED, Outcome, each, name_of, place_program, run_program, scratch, tried


def write_below(figures: Figures) -> Outcome:
    """Makes a file in each of some directories, and writes into it."""

    def made(directory: str) -> None:
        path = scratch(directory)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, b"x" * figures.get("bytes", 1))
        finally:
            os.close(descriptor)
            os.unlink(path)

    return each("a file in", figures["directories"], made)


def open_to_write(figures: Figures) -> Outcome:
    """Opens files of the image to write at their end, and writes nothing."""
    return each("open", figures["paths"], lambda path: os.close(os.open(path, os.O_WRONLY | os.O_APPEND)))


def run_from(figures: Figures) -> Outcome:
    """Puts a program into a directory, and runs it."""
    directory = figures["directory"]
    os.makedirs(directory, exist_ok=True)
    path = scratch(directory)
    try:
        place_program(path)
        status = run_program(path)
    finally:
        if os.path.exists(path):
            os.unlink(path)
    if status < 0:
        return REFUSED, f"run a program in {directory}: {name_of(-status)}"
    return SUCCEEDED, f"a program in {directory} ran"


def map_from(figures: Figures) -> Outcome:
    """Maps a file as code, as loading a library does."""
    import mmap

    path = scratch(figures["directory"])

    def mapped() -> None:
        place_program(path)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            mmap.mmap(descriptor, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()
        finally:
            os.close(descriptor)

    try:
        return tried(f"map a file in {figures['directory']} as code", mapped)
    finally:
        if os.path.exists(path):
            os.unlink(path)


def become_root(figures: Figures) -> Outcome:
    """Root inside leaves a set-user-id program; the user runs it. Who is the program?"""
    path = scratch(figures["directory"])
    try:
        place_program(path, 0o4755)
        status = run_program(path, user=1000)
    finally:
        if os.path.exists(path):
            os.unlink(path)
    if status == 42:
        return SUCCEEDED, "a set-user-id program made the user root"
    return REFUSED, f"set-user-id program: {name_of(-status) if status < 0 else 'runs as the user who started it'}"


def give_capability(figures: Figures) -> Outcome:
    """Root inside gives a program capabilities that the container does not have."""
    import struct

    path = scratch(figures["directory"])
    try:
        place_program(path)
        value = struct.pack("<5I", 0x02000001, 1 << 21, 0, 0, 0)
        return tried("give a file CAP_SYS_ADMIN", lambda: os.setxattr(path, "security.capability", value))
    finally:
        if os.path.exists(path):
            os.unlink(path)


def use_device(figures: Figures) -> Outcome:
    """Makes a device node (that of /dev/null), and opens it."""
    path = scratch(figures["directory"])

    def used() -> None:
        os.mknod(path, 0o20666, os.makedev(1, 3))
        os.close(os.open(path, os.O_RDWR))

    try:
        return tried(f"a device node in {figures['directory']}", used)
    finally:
        if os.path.exists(path):
            os.unlink(path)


def use_sudo(_figures: Figures) -> Outcome:
    """Runs the image's sudo, if it has one."""
    import subprocess

    def asked() -> str:
        command = ["/usr/bin/sudo", "-n", "/usr/bin/id", "-u"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.stdout.strip() != "0":
            raise OSError(1, (done.stderr or done.stdout).strip()[:80])
        return "became root"

    return tried("sudo", asked)


def _on_tmpfs(path: str) -> object:
    def figures(surroundings: Surroundings) -> Figures | Impossible:
        if path in surroundings.tmpfs:
            return {"directory": path}
        return Impossible(reason=f"{path} is no memory file system of this container")

    return figures


def _identifier(path: str) -> str:
    return path.strip("/").replace("/", "_").replace(".", "")


TMPFS = ("/tmp", "/var/tmp", "/run", "/home/appuser", "/home/appuser/.cache", "/dev/shm")
_READ_ONLY = ("read_only_root", "apparmor")
_DESTRUCTION = "security design, table of destructive commands: rm -rf /"

PROBES = (
    Probe(
        id="root_write",
        layer="L5",
        title="Write to the root file system as root",
        act=write_below,
        arguments={"directories": ("/", "/etc", "/usr/bin", "/opt", "/srv", "/var/lib")},
        user=ROOT,
        defences=_READ_ONLY,
        references=(_DESTRUCTION, "CIS Docker 5.13"),
    ),
    Probe(
        id="root_fill",
        layer="L5",
        title="Fill the container's layer",
        act=write_below,
        arguments={"directories": ("/var/cache", "/root"), "bytes": 8 << 20},
        user=ROOT,
        defences=_READ_ONLY,
        references=("security design, table of destructive commands: dd", "CIS Docker 5.13"),
    ),
    Probe(
        id="etc_change",
        layer="L5",
        title="Change the users and the resolver of the system",
        act=open_to_write,
        arguments={"paths": ("/etc/passwd", "/etc/group", "/usr/bin/env")},
        user=ROOT,
        defences=_READ_ONLY,
        references=(_DESTRUCTION, "CIS Docker 5.13"),
    ),
    *(
        Probe(
            id=f"exec_{_identifier(path)}",
            layer="L5",
            title=f"Run a program from {path}",
            act=run_from,
            figures=_on_tmpfs(path),  # type: ignore[arg-type]
            # Older Docker gives a memory file system the owner and mode that the image's directory has.
            control_user=ROOT if path == "/run" else "",
            defences=("noexec", "apparmor"),
            references=("security design: noexec tmpfs",),
        )
        for path in TMPFS
    ),
    Probe(
        id="map_tmp",
        layer="L5",
        title="Load a library from /tmp",
        act=map_from,
        figures=_on_tmpfs("/tmp"),  # type: ignore[arg-type]
        defences=("noexec", "apparmor"),
        references=("security design: noexec tmpfs",),
    ),
    Probe(
        id="setuid_program",
        layer="L2",
        title="Become root by a set-user-id program",
        act=become_root,
        arguments={"directory": "/workspace"},
        user=ROOT,
        defences=("no_new_privileges", "seccomp"),
        references=("security design: no-new-privileges", "CIS Docker 5.26"),
    ),
    Probe(
        id="setuid_tmpfs",
        layer="L5",
        title="Become root by a set-user-id program on a memory file system",
        act=become_root,
        arguments={"directory": "/tmp"},
        user=ROOT,
        defences=("nosuid", "noexec", "no_new_privileges", "seccomp", "apparmor"),
        references=("security design: nosuid tmpfs",),
    ),
    Probe(
        id="sudo",
        layer="L2",
        title="Become root by sudo",
        act=use_sudo,
        defences=("no_new_privileges",),
        references=("security design: privilege escalation", "CIS Docker 4.8"),
    ),
    Probe(
        id="file_capability",
        layer="L1",
        title="Give a program a capability",
        act=give_capability,
        inward=True,
        arguments={"directory": "/workspace"},
        user=ROOT,
        defences=("capabilities", "apparmor"),
        references=("security design: capabilities", "CIS Docker 5.4"),
    ),
    Probe(
        id="device_node",
        layer="L1",
        title="Make a device node",
        act=use_device,
        inward=True,
        arguments={"directory": "/workspace"},
        user=ROOT,
        defences=("seccomp", "capabilities", "apparmor", "userns"),
        references=("security design: capabilities", "CIS Docker 5.18"),
    ),
    Probe(
        id="device_tmpfs",
        layer="L5",
        title="Make a device node on a memory file system",
        act=use_device,
        inward=True,
        arguments={"directory": "/tmp"},
        user=ROOT,
        defences=("nodev", "seccomp", "capabilities", "apparmor", "userns"),
        references=("security design: tmpfs", "CIS Docker 5.18"),
    ),
)
