# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries to read, write and run what a workspace must not, by every road to it, and prints the answers as JSON.

Runs inside a container, from standard input, as root with every capability, so that nothing but AppArmor can refuse.
Each act has a process of its own. An answer is "ok", the name of an errno, or "exit N" of a program that failed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
WORK = Path(tempfile.mkdtemp(dir="/workspace"))
TRUE = "/usr/bin/true"
LOADER = "/lib64/ld-linux-x86-64.so.2"
SECRET = "/etc/shadow"  # noqa: S105  a path

Act = Callable[[], object]


def read(path: str | Path) -> Act:
    return lambda: os.close(os.open(path, os.O_RDONLY))


def write(path: str | Path, flags: int = os.O_WRONLY) -> Act:
    return lambda: os.close(os.open(path, flags))


def create(path: str) -> Act:
    return write(path, os.O_WRONLY | os.O_CREAT)


def run(*argv: str, **environment: str) -> Act:
    return lambda: subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **environment})


def libc(name: str, *args: object) -> None:
    if getattr(LIBC, name)(*args) == -1:
        raise OSError(ctypes.get_errno(), name)


def mount(source: str, target: Path, kind: str | None, flags: int, options: str | None = None) -> None:
    target.mkdir(exist_ok=True)
    encoded = [None if text is None else os.fsencode(text) for text in (source, str(target), kind)]
    libc("mount", *encoded, flags, None if options is None else options.encode())


def program(folder: str, name: str = "program") -> str:
    """A copy of a harmless program in a folder."""
    path = f"{folder}/{name}"
    shutil.copy(TRUE, path)
    return path


def link_to(target: str, name: str = "link") -> Path:
    link = WORK / f"{name}-{os.getpid()}"
    link.symlink_to(target)
    return link


def roads_to_a_secret() -> dict[str, Act]:
    def by_folder() -> None:
        folder = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
        os.close(os.open("shadow", os.O_RDONLY, dir_fd=folder))

    def by_path_descriptor() -> None:
        held = os.open(SECRET, os.O_PATH)
        os.close(os.open(f"/proc/self/fd/{held}", os.O_RDONLY))

    def by_working_folder() -> None:
        os.chdir("/etc")
        read("/proc/self/cwd/shadow")()

    def by_hard_link() -> None:
        os.link(SECRET, f"/etc/linked-{os.getpid()}")
        read(f"/etc/linked-{os.getpid()}")()

    def by_renaming() -> None:
        Path("/etc/gshadow").rename("/etc/renamed")
        read("/etc/renamed")()

    def by_binding() -> None:
        mount("/etc", WORK / "bound", None, 4096)
        read(WORK / "bound/shadow")()

    def by_overlay() -> None:
        mount("none", WORK / "over", "overlay", 1, f"lowerdir=/etc:{WORK}")
        read(WORK / "over/shadow")()

    def by_new_root() -> None:
        os.chroot("/etc")
        read("/shadow")()

    return {
        "read a secret": read(SECRET),
        "read the group's secret": read("/etc/gshadow"),
        "read a secret by a symbolic link": lambda: read(link_to(SECRET))(),
        "read a secret by a chain of links": lambda: read(
            link_to(str(link_to("/etc", "folder")), "chain") / "shadow"
        )(),
        "read a secret by a crooked path": read("/usr/../etc/./security/../shadow"),
        "read a secret by /proc/self/root": read("/proc/self/root/etc/shadow"),
        "read a secret by /proc/1/root": read("/proc/1/root/etc/shadow"),
        "read a secret by a thread's root": read("/proc/thread-self/root/etc/shadow"),
        "read a secret by its folder's descriptor": by_folder,
        "read a secret by a path descriptor": by_path_descriptor,
        "read a secret by /proc/self/cwd": by_working_folder,
        "read a secret by a hard link": by_hard_link,
        "read a secret by renaming it": by_renaming,
        "read a secret by a bind mount": by_binding,
        "read a secret by an overlay": by_overlay,
        "read a secret by another root": by_new_root,
        "read a secret with another program": run("cat", SECRET),
        "read root's home": lambda: list(Path("/root").iterdir()),
        "read the log folder": lambda: list(Path("/var/log").iterdir()),
    }


def kernel_files() -> dict[str, Act]:
    def change_profile(file: str, words: str) -> Act:
        def act() -> None:
            handle = os.open(f"/proc/self/attr/{file}", os.O_WRONLY)
            os.write(handle, words.encode())

        return act

    return {
        "read the kernel's memory": read("/proc/kcore"),
        "read the kernel's symbols": read("/proc/kallsyms"),
        "read the kernel's log": read("/proc/kmsg"),
        "read the keys": read("/proc/keys"),
        "read own memory as a file": read("/proc/self/mem"),
        "read the memory of process 1": read("/proc/1/mem"),
        "write the memory of process 1": write("/proc/1/mem"),
        "read a thread's memory": read("/proc/thread-self/mem"),
        "read page counts": read("/proc/kpagecount"),
        "press the magic key": write("/proc/sysrq-trigger"),
        "set the dump handler": write("/proc/sys/kernel/core_pattern"),
        "set the host name": write("/proc/sys/kernel/hostname"),
        "set a network value": write("/proc/sys/net/ipv4/ip_forward"),
        "set a kernel value by /proc/self/root": write("/proc/self/root/proc/sys/kernel/hostname"),
        "set a kernel value by a link": lambda: write(link_to("/proc/sys/kernel/hostname", "value"))(),
        "write the map of users": write("/proc/self/uid_map"),
        "write the dump filter": write("/proc/self/coredump_filter"),
        "read the list of profiles": read("/sys/kernel/security/apparmor/profiles"),
        "load a profile": write("/sys/kernel/security/apparmor/.replace"),
        "write a kernel parameter": write("/sys/module/apparmor/parameters/debug"),
        "write a kernel parameter by a link": lambda: write(link_to("/sys/module/apparmor/parameters/debug", "par"))(),
        "write a setting of a device": write("/sys/block/loop0/queue/read_ahead_kb"),
        "write the helper of devices": write("/sys/kernel/uevent_helper"),
        "leave the profile": change_profile("current", "changeprofile unconfined"),
        "leave the profile at the next program": change_profile("exec", "exec unconfined"),
        "leave the profile by the other file": change_profile("apparmor/current", "changeprofile unconfined"),
    }


def by_link(folder: str) -> Act:
    return lambda: run(str(link_to(program(folder, f"linked-{os.getpid()}"), "run")))()


def memory_file() -> None:
    handle = os.memfd_create("program")
    os.write(handle, Path(TRUE).read_bytes())
    os.execve(f"/proc/self/fd/{handle}", ["true"], {})  # noqa: S606  no shell is wanted


def nameless() -> None:
    handle = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o700)
    os.write(handle, Path(TRUE).read_bytes())
    again = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY)
    os.close(handle)
    os.execve(f"/proc/self/fd/{again}", ["true"], {})  # noqa: S606  no shell is wanted


def by_descriptor() -> None:
    handle = os.open(program("/tmp", "held"), os.O_RDONLY)
    nothing = (ctypes.c_char_p * 2)(b"true", None)
    libc("syscall", ctypes.c_long(322), handle, b"", nothing, (ctypes.c_char_p * 1)(None), AT_EMPTY_PATH)


def script() -> None:
    path = Path("/tmp/script")
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    run(str(path))()


def map_as_code(folder: str) -> Act:
    def act() -> None:
        with open(program(folder, "mapped"), "rb") as stream:  # noqa: PTH123  a mapping needs a descriptor
            mmap.mmap(stream.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()

    return act


def make_code_later() -> None:
    LIBC.mmap.restype = ctypes.c_void_p
    handle = os.open(program("/tmp", "later"), os.O_RDONLY)
    area = LIBC.mmap(None, ctypes.c_size_t(4096), 1, 2, handle, 0)
    libc("mprotect", ctypes.c_void_p(area), ctypes.c_size_t(4096), 5)


def load_library() -> None:
    shutil.copy("/lib/x86_64-linux-gnu/libz.so.1", "/tmp/library.so")
    ctypes.CDLL("/tmp/library.so")


def bound_elsewhere() -> None:
    target = WORK / "innocent"
    target.touch()
    libc("mount", os.fsencode(program("/tmp", "bound")), os.fsencode(str(target)), None, 4096, None)
    run(str(target))()


def moved_folder() -> None:
    os.chdir("/tmp")
    program("/tmp", "near")
    os.execv("./near", ["near"])  # noqa: S606  no shell is wanted


def runs() -> dict[str, Act]:
    """Programs and libraries from places where data lies."""

    folders = ("/tmp", "/var/tmp", "/home/appuser", "/dev/shm")
    acts: dict[str, Act] = {f"run from {folder}": lambda at=folder: run(program(at))() for folder in folders}  # type: ignore[misc]
    acts |= {f"run from {folder} by a link": by_link(folder) for folder in folders}
    acts |= {f"map as code from {folder}": map_as_code(folder) for folder in folders}
    return acts | {
        "run by /proc/self/root": lambda: run(f"/proc/self/root{program('/tmp', 'rooted')}")(),
        "run by a relative path": moved_folder,
        "run by the loader": lambda: run(LOADER, program("/tmp", "loaded"))(),
        "run a script": script,
        "run a memory file": memory_file,
        "run a nameless file": nameless,
        "run a descriptor": by_descriptor,
        "run by a bind mount": bound_elsewhere,
        "load a library": load_library,
        "make a mapping code later": make_code_later,
    }


def trace() -> None:
    child = os.fork()
    if child == 0:
        os.execv("/usr/bin/sleep", ["sleep", "5"])  # noqa: S606  no shell is wanted
    libc("ptrace", 0x4206, child, None, None)


def new_user_namespace() -> None:
    libc("unshare", 0x10000000)


def move_mount() -> None:
    mount("none", WORK / "moved", "tmpfs", 0)
    mount(str(WORK / "moved"), WORK / "there", None, 8192)


def changes() -> dict[str, Act]:
    """Writes into the image, mounts, raw sockets, another process."""

    return {
        "write a program of the image": write("/usr/bin/env"),
        "add a program to the image": create("/usr/bin/new"),
        "write a library": write("/lib/x86_64-linux-gnu/libz.so.1"),
        "write a setting": write("/etc/passwd"),
        "add a setting": create("/etc/new"),
        "write the loader's list": create("/etc/ld.so.preload"),
        "write the agent": create("/opt/claude/new"),
        "write the agent by a link": lambda: write(link_to("/opt/claude/claude", "agent"))(),
        "write by /proc/self/root": write("/proc/self/root/etc/passwd"),
        "replace a program by a hard link": lambda: Path(f"/usr/bin/hard-{os.getpid()}").hardlink_to(TRUE),
        "remove a program": lambda: Path("/usr/bin/yes").unlink(),
        "rename a program": lambda: Path("/usr/bin/tty").rename("/usr/bin/moved"),
        "make a folder in the root": lambda: Path("/new").mkdir(),
        "make a file in /opt": create("/opt/new"),
        "mount a tmpfs": lambda: mount("none", WORK / "tmpfs", "tmpfs", 0),
        "mount a proc": lambda: mount("none", WORK / "proc", "proc", 0),
        "mount by moving": move_mount,
        "unmount": lambda: libc("umount2", b"/dev/mqueue", 2),
        "trace a child": trace,
        "open a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
        "make a user namespace": new_user_namespace,
    }


GROUPS = (roads_to_a_secret, kernel_files, runs, changes)


def answer(act: Act) -> str:
    """What the act answers in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.set_inheritable(writer, False)
        try:
            act()
            said = "ok"
        except subprocess.CalledProcessError as error:
            said = f"exit {error.returncode}"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, str(error))
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text or "ok"  # a program that took this one's place leaves nothing behind but its exit


def main() -> int:
    print(json.dumps({name: answer(act) for group in GROUPS for name, act in group().items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
