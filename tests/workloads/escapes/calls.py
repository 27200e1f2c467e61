# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries system calls by their numbers (x86_64), each in a process of its own, and prints what each answered as JSON.

Runs inside a container, from standard input. Where nothing refuses, an act succeeds or reaches the call's own checks;
all are harmless in a container that is thrown away. An answer is "ok", the name of an errno, or that of a signal.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
BIT_32 = 1 << 32
X32 = 0x40000000
AT_FDCWD = -100
NEW = {
    "NEWTIME": 0x80, "NEWNS": 0x20000, "NEWCGROUP": 0x02000000, "NEWUTS": 0x04000000, "NEWIPC": 0x08000000,
    "NEWUSER": 0x10000000, "NEWPID": 0x20000000, "NEWNET": 0x40000000,
}  # fmt: skip
SIGCHLD = 17
WORK = tempfile.mkdtemp(dir="/workspace" if os.access("/workspace", os.W_OK) else "/tmp")
MOUNT = tempfile.mkdtemp(dir=WORK)
ZEROES = ctypes.create_string_buffer(4096)

Act = Callable[[], int]


class Piece(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def converted(arg: object) -> object:
    """A call's argument as C takes it: numbers as they are, texts as pointers; buffers are pointers already."""
    if isinstance(arg, str):
        return ctypes.c_char_p(os.fsencode(arg))
    return ctypes.c_long(arg) if isinstance(arg, int) else arg


def call(number: int, *args: object) -> Act:
    """The call as an act."""

    def act() -> int:
        result = int(LIBC.syscall(ctypes.c_long(number), *[converted(arg) for arg in args]))
        if result == 0 and number in (56, 435):  # the child of a successful clone
            os._exit(0)
        return result

    return act


def file(name: str = "file", content: bytes = b"") -> str:
    path = f"{WORK}/{name}"
    with open(path, "wb") as stream:  # noqa: PTH123  a descriptor's worth of work
        stream.write(content)
    return path


def descriptor(flags: int = os.O_RDWR | os.O_CREAT) -> int:
    return os.open(f"{WORK}/open", flags, 0o600)


def machine_code(code: bytes) -> Act:
    """Runs code that no library has: here the 32-bit entry into the kernel."""

    def act() -> int:
        area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        area.write(code)
        function = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(area)))
        result = ctypes.c_int(function() & 0xFFFFFFFF).value
        ctypes.set_errno(-result if result < 0 else 0)
        return -1 if result < 0 else result

    return act


def compat(number: int, ebx: int = 0, ecx: int = 0) -> Act:
    """int 0x80 with a number of the 32-bit table; ENOSYS where the kernel has no such table (User-mode Linux)."""
    moves = b"\x53\xb8" + number.to_bytes(4, "little") + b"\xbb" + ebx.to_bytes(4, "little")
    enter = machine_code(moves + b"\xb9" + ecx.to_bytes(4, "little") + b"\xcd\x80\x5b\xc3")

    def act() -> int:
        if number != 20 and answer(compat(20)) not in ("ok", "SIGSYS"):
            raise OSError(errno.ENOSYS, "no 32-bit table")
        return enter()

    return act


def clone_args(flags: int) -> object:
    return ctypes.create_string_buffer(
        b"".join(number.to_bytes(8, "little") for number in (flags, 0, 0, 0, SIGCHLD, 0, 0, 0)), 64
    )


def namespaces() -> dict[str, Act]:
    acts: dict[str, Act] = {f"unshare {name}": call(272, flag) for name, flag in NEW.items()}
    acts |= {f"clone {name}": call(56, flag | SIGCHLD, 0, 0, 0, 0) for name, flag in NEW.items() if name != "NEWTIME"}
    acts["clone NEWUSER, bit 32 set"] = call(56, BIT_32 | NEW["NEWUSER"] | SIGCHLD, 0, 0, 0, 0)
    acts["clone NEWUSER and NEWNET"] = call(56, NEW["NEWUSER"] | NEW["NEWNET"] | SIGCHLD, 0, 0, 0, 0)
    acts["clone3 plain"] = lambda: call(435, clone_args(0), 64)()
    acts["clone3 NEWUSER"] = lambda: call(435, clone_args(NEW["NEWUSER"]), 64)()
    acts["setns to the own network"] = lambda: call(308, os.open("/proc/self/ns/net", os.O_RDONLY), 0)()
    acts["setns by process"] = lambda: call(308, os.pidfd_open(os.getpid()), NEW["NEWUTS"])()
    return acts


def mounts() -> dict[str, Act]:
    return {
        "mount a tmpfs": call(165, "none", MOUNT, "tmpfs", 0, 0),
        "mount by binding": call(165, "/usr", MOUNT, 0, 4096, 0),
        "mount a proc": call(165, "none", MOUNT, "proc", 0, 0),
        "mount anew with other flags": call(165, 0, "/tmp", 0, 32, 0),
        "mount private": call(165, 0, "/", 0, 1 << 18, 0),
        "umount2": call(166, "/dev/mqueue", 2),
        "pivot_root": call(155, ".", "."),
        "chroot": call(161, "/tmp"),
        "fsopen": call(430, "tmpfs", 0),
        "fsconfig": call(431, -1, 6, 0, 0, 0),
        "fsmount": call(432, -1, 0, 0),
        "fspick": call(433, AT_FDCWD, "/", 0),
        "open_tree": call(428, AT_FDCWD, "/", 0),
        "open_tree, a copy": call(428, AT_FDCWD, "/", 1),
        "move_mount": call(429, -1, "", AT_FDCWD, MOUNT, 4),
        "mount_setattr": call(442, AT_FDCWD, "/tmp", 0, ZEROES, 32),
        "statmount": call(457, 0, 0, 0, 0),
        "listmount": call(458, 0, 0, 0, 0),
    }


def kernel() -> dict[str, Act]:
    map_create = ctypes.create_string_buffer(b"".join(n.to_bytes(4, "little") for n in (2, 4, 4, 1)), 72)
    event = ctypes.create_string_buffer((1).to_bytes(4, "little") + (128).to_bytes(4, "little"), 128)
    return {
        "reboot": call(169, 0, 0, 0, 0),
        "kexec_load": call(246, 0, 0, 0, -1),
        "kexec_file_load": call(320, -1, -1, 0, 0, -1),
        "init_module": call(175, 0, 0, ""),
        "finit_module": call(313, -1, "", 0),
        "delete_module": call(176, "none", 0),
        "bpf": call(321, 0, map_create, 72),
        "perf_event_open": call(298, event, 0, -1, -1, 0),
        "userfaultfd": call(323, 1),
        "syslog": call(103, 10, 0, 0),
        "settimeofday": call(164, 1, 0),
        "clock_settime": call(227, 0, 1),
        "adjtimex": call(159, ctypes.create_string_buffer(512)),
        "clock_adjtime": call(305, 0, ctypes.create_string_buffer(512)),
        "iopl": call(172, 3),
        "ioperm": call(173, 0x80, 1, 1),
        "acct": call(163, "/none"),
        "swapon": call(167, "/none", 0),
        "swapoff": call(168, "/none"),
        "quotactl": call(179, 0x80000100, 0, 0, 0),
        "sethostname": call(170, "name", 4),
        "setdomainname": call(171, "name", 4),
        "vhangup": call(153),
        "sysfs": call(139, 3),
        "ustat": call(136, 0, ZEROES),
        "lsm_list_modules": call(461, ZEROES, ctypes.byref(ctypes.c_uint32(64)), 0),
    }


def other_processes() -> dict[str, Act]:
    source, target = ctypes.create_string_buffer(8), ctypes.create_string_buffer(8)
    near = Piece(ctypes.addressof(target), 8)
    far = Piece(ctypes.addressof(source), 8)
    own = os.getpid

    def seize() -> int:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        try:
            return call(101, 0x4206, child, 0, 0)()
        finally:
            os.kill(child, signal.SIGKILL)

    pieces = (ctypes.byref(near), 1, ctypes.byref(far), 1, 0)
    return {
        "ptrace, be traced": call(101, 0, 0, 0, 0),
        "ptrace a child": seize,
        "process_vm_readv": lambda: call(310, own(), *pieces)(),
        "process_vm_writev": lambda: call(311, own(), *pieces)(),
        "kcmp": lambda: call(312, own(), own(), 0, 0, 0)(),
        "pidfd_getfd": lambda: call(438, os.pidfd_open(own()), 0, 0)(),
        "process_madvise": lambda: call(440, os.pidfd_open(own()), ctypes.byref(far), 1, 20, 0)(),
        "process_mrelease": lambda: call(448, os.pidfd_open(own()), 0)(),
        "add_key": call(248, "user", "escape", "x", 1, -2),
        "keyctl": call(250, 0, -2, 1),
        "request_key": call(249, "user", "none", 0, -2),
    }


def multiplexers_and_pages() -> dict[str, Act]:
    handle = ctypes.create_string_buffer((128).to_bytes(4, "little"), 136)
    mount_id = ctypes.c_int()
    how = ctypes.create_string_buffer(24)
    setuid_how = ctypes.create_string_buffer(
        (os.O_CREAT | os.O_RDWR).to_bytes(8, "little") + (0o4755).to_bytes(8, "little"), 24
    )

    def pipe_with(number: int) -> Act:
        def act() -> int:
            (out, into), (_, other) = os.pipe(), os.pipe()
            os.write(into, b"x")
            if number == 278:
                return call(278, other, ctypes.byref(Piece(ctypes.addressof(ZEROES), 1)), 1, 0)()
            return call(275, out, 0, other, 0, 1, 0)() if number == 275 else call(276, out, other, 1, 0)()

        return act

    def aio() -> int:
        return call(206, 1, ctypes.byref(ctypes.c_ulong()))()

    def queue(number: int) -> Act:
        def act() -> int:
            made = call(68, 0, 0o1600)()
            return made if number == 68 else call(number, made, 0 if number == 71 else ZEROES, 0, 0, 2048)()

        return act

    return {
        "io_uring_setup": call(425, 4, ctypes.create_string_buffer(120)),
        "io_uring_enter": call(426, -1, 0, 0, 0, 0, 0),
        "io_uring_register": call(427, -1, 0, 0, 0),
        "openat2": call(437, AT_FDCWD, "/", how, 24),
        "openat2 of a setuid file": call(437, AT_FDCWD, f"{WORK}/setuid", setuid_how, 24),
        "execveat": call(322, AT_FDCWD, "/bin/true", ctypes.byref(ctypes.c_char_p()), 0, 0),
        "name_to_handle_at": call(303, AT_FDCWD, "/", handle, ctypes.byref(mount_id), 0),
        "open_by_handle_at": call(304, AT_FDCWD, handle, 0),
        "fanotify_init": call(300, 0, 0),
        "fanotify_mark": call(301, -1, 1, 1, AT_FDCWD, "/"),
        "splice": pipe_with(275),
        "tee": pipe_with(276),
        "vmsplice": pipe_with(278),
        "msgget": queue(68),
        "msgctl": queue(71),
        "msgrcv": queue(70),
        "mq_open": call(240, "escape", os.O_CREAT | os.O_RDWR, 0o600, 0),
        "mq_unlink": call(241, "none"),
        "io_setup": aio,
        "io_submit": call(209, 0, 0, 0),
        "io_getevents": call(208, 0, 0, 0, 0, 0),
        "set_mempolicy": call(238, 0, 0, 0),
        "get_mempolicy": call(239, 0, 0, 0, 0, 0),
        "mbind": call(237, 0, 0, 0, 0, 0, 0),
        "move_pages": call(279, 0, 0, 0, 0, 0, 0),
        "modify_ldt": call(154, 0, ZEROES, 16),
        "remap_file_pages": call(216, 0, 0, 0, 0, 0),
        "get_robust_list": call(274, 0, ZEROES, ZEROES),
        "memfd_secret": call(447, 0),
        "cachestat": call(451, -1, ZEROES, ZEROES, 0),
        "futex_waitv": call(449, 0, 0, 0, 0, 0),
        "futex_wake": call(454, ZEROES, 1, 1, 2),
        "sync": call(162),
    }


def sockets() -> dict[str, Act]:
    families = {"ALG": 38, "PACKET": 17, "KEY": 15, "XDP": 44, "BLUETOOTH": 31, "CAN": 29, "TIPC": 30, "RDS": 21}
    netlinks = {"SOCK_DIAG": 4, "XFRM": 6, "SELINUX": 7, "AUDIT": 9, "NETFILTER": 12, "UEVENT": 15, "GENERIC": 16}
    acts: dict[str, Act] = {f"socket {name}": call(41, family, 3, 0) for name, family in families.items()}
    acts["socket ALG"] = call(41, 38, 5, 0)
    acts["socket VSOCK"] = call(41, 40, 1, 0)
    acts["socket VSOCK, bit 32 set"] = call(41, BIT_32 | 40, 1, 0)
    acts["socket PACKET, bit 32 set"] = call(41, BIT_32 | 17, 3, 0)
    acts |= {f"socket NETLINK_{name}": call(41, 16, 3, number) for name, number in netlinks.items()}
    acts["socket NETLINK_SOCK_DIAG, bit 32 set"] = call(41, 16, 3, BIT_32 | 4)
    protocols = {
        "raw": (3, 1),
        "SCTP": (1, 132),
        "MPTCP": (1, 262),
        "UDPLITE": (2, 136),
        "DCCP": (6, 33),
        "ping": (2, 1),
    }
    acts |= {f"socket INET {name}": call(41, 2, *rest) for name, rest in protocols.items()}

    def option(*args: int) -> Act:
        program = ctypes.create_string_buffer(b"\x06\0\0\0\xff\xff\0\0", 8)

        class Filter(ctypes.Structure):
            _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

        def act() -> int:
            end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            return call(54, end.fileno(), *args, ctypes.byref(Filter(1, ctypes.addressof(program))), 16)()

        return act

    acts["setsockopt ATTACH_FILTER"] = option(1, 26)
    acts["setsockopt ATTACH_FILTER, bit 32 set"] = option(BIT_32 | 1, BIT_32 | 26)
    acts["setsockopt ATTACH_BPF"] = option(1, 50)
    return acts


def arguments() -> dict[str, Act]:
    """Calls that are allowed, with arguments that are not."""

    def terminal(command: int) -> Act:
        def act() -> int:
            os.setsid()
            _, end = os.openpty()
            LIBC.ioctl(end, 0x540E, 0)
            return call(16, end, command, ctypes.create_string_buffer(b"x", 8))()

        return act

    def interface_flags() -> int:
        with socket.socket() as end:
            return call(16, end.fileno(), 0x8914, ctypes.create_string_buffer(b"lo", 40))()

    return {
        "ioctl TIOCSTI": terminal(0x5412),
        "ioctl TIOCSTI, bit 32 set": terminal(BIT_32 | 0x5412),
        "ioctl TIOCLINUX": terminal(0x541C),
        "ioctl TIOCSETD": terminal(0x5423),
        "ioctl TIOCCONS": terminal(0x541D),
        "ioctl FIDEDUPERANGE": lambda: call(16, descriptor(), 0xC0189436, ZEROES)(),
        "ioctl FS_IOC_SETFLAGS": lambda: call(16, descriptor(), 0x40086602, ZEROES)(),
        "ioctl SIOCSIFFLAGS": interface_flags,
        "personality without randomisation": call(135, 0x0040000),
        "personality with executable memory": call(135, 0x0400000),
        "personality of 32 bits": call(135, 8),
        "chmod setuid": lambda: call(90, file(), 0o4755)(),
        "chmod setuid, bit 32 set": lambda: call(90, file(), BIT_32 | 0o4755)(),
        "fchmod setuid": lambda: call(91, descriptor(), 0o4755)(),
        "fchmodat setuid": lambda: call(268, AT_FDCWD, file(), 0o4755)(),
        "fchmodat2 setuid": lambda: call(452, AT_FDCWD, file(), 0o4755, 0)(),
        "creat setuid": call(85, f"{WORK}/created", 0o4755),
        "open a new setuid file": call(2, f"{WORK}/opened", os.O_CREAT, 0o4755),
        "openat a new setuid file": call(257, AT_FDCWD, f"{WORK}/at", os.O_CREAT, 0o4755),
        "openat a nameless setuid file": call(257, AT_FDCWD, WORK, os.O_TMPFILE | os.O_RDWR, 0o4755),
        "mknod a setuid file": call(133, f"{WORK}/node", 0o104755, 0),
        "mknod a white-out": call(133, f"{WORK}/white", 0o020000, 0),
        "mknod a character device": call(133, f"{WORK}/null", 0o020600, 0x103),
        "mknodat a block device": call(259, AT_FDCWD, f"{WORK}/disk", 0o060600, 0x800),
    }


def foreign_entries() -> dict[str, Act]:
    """The other two tables of calls of an x86_64 kernel; reaching them at all ends the process."""
    return {
        "x32 getpid": call(X32 | 39),
        "x32 ptrace": call(X32 | 521, 0, 0, 0, 0),
        "int 0x80 getpid": compat(20),
        "int 0x80 socketcall": compat(102, 1, 0),
        "int 0x80 mount": compat(21),
        "int 0x80 ptrace": compat(26, 0, 0),
    }


GROUPS = (namespaces, mounts, kernel, other_processes, multiplexers_and_pages, sockets, arguments, foreign_entries)


def answer(act: Act) -> str:
    """What the act answers in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(10)
        os.set_inheritable(writer, False)
        ctypes.set_errno(0)
        try:
            result = act()
            number = ctypes.get_errno() if result == -1 else 0
        except OSError as error:
            number = error.errno or 255
        os.write(writer, errno.errorcode.get(number, str(number)).encode() if number else b"ok")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return text or "ok"  # an execveat that succeeded leaves nothing behind but its exit


if __name__ == "__main__":
    print(json.dumps({name: answer(act) for group in GROUPS for name, act in group().items()}))
