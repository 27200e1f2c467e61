# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed profile in the hands of dockerd and runc: calls by number, with it and without, capabilities given."""

from __future__ import annotations

import json
import shlex
from typing import NamedTuple

import pytest
from testinfra.host import Host

PROFILE = "/etc/bulkhead/seccomp/workspace-seccomp.json"
RUN = "docker run --rm --network none --volume /usr:/usr:ro --security-opt apparmor=unconfined"
IMAGE = "bulkhead-test/usr:1"

EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT = 1, 38, 97, 93
HIGH = 1 << 32


class Call(NamedTuple):
    """A system call by its number on x86_64, and what the profile must answer."""

    name: str
    number: int
    args: tuple[int, ...]
    answer: int


CALLS = [
    Call("ptrace", 101, (9999, 0, 0, 0), EPERM),
    Call("pivot_root", 155, (0, 0), EPERM),
    Call("settimeofday", 164, (1, 0), EPERM),
    Call("mount", 165, (0, 0, 0, 0, 0), EPERM),
    Call("umount2", 166, (0, 0), EPERM),
    Call("reboot", 169, (0, 0, 0, 0), EPERM),
    Call("clock_settime", 227, (1, 1), EPERM),
    Call("kexec_load", 246, (0, 0, 0, -1), EPERM),
    Call("keyctl", 250, (0x7FFFFFFF,), EPERM),
    Call("unshare", 272, (0,), EPERM),
    Call("splice", 275, (-1, 0, -1, 0, 0, 0), ENOSYS),
    Call("setns", 308, (-1, 0), EPERM),
    Call("process_vm_readv", 310, (-1, 0, 0, 0, 0, 1), EPERM),
    Call("finit_module", 313, (-1, 0, 0), EPERM),
    Call("bpf", 321, (-1, 0, 0), EPERM),
    Call("userfaultfd", 323, (-1,), EPERM),
    Call("move_mount", 429, (-1, 0, -1, 0, -1), EPERM),
    Call("fsopen", 430, (0, 0), EPERM),
    Call("clone3", 435, (0, 0), ENOSYS),
    Call("openat2", 437, (-1, 0, 0, 0), ENOSYS),
    Call("pidfd_getfd", 438, (-1, 0, 0), EPERM),
    Call("clone with a user namespace", 56, (0x10000200, 0, 0, 0, 0), EPERM),
    Call("clone with a user namespace, bit 32 set", 56, (HIGH | 0x10000200, 0, 0, 0, 0), EPERM),
    Call("ioctl TIOCSTI", 16, (-1, 0x5412, 0), EPERM),
    Call("ioctl TIOCSTI, bit 32 set", 16, (-1, HIGH | 0x5412, 0), EPERM),
    Call("ioctl TIOCLINUX", 16, (-1, 0x541C, 0), EPERM),
    Call("socket AF_PACKET", 41, (17, 3, 0), EAFNOSUPPORT),
    Call("socket AF_PACKET, bit 32 set", 41, (HIGH | 17, 3, 0), EAFNOSUPPORT),
    Call("socket NETLINK_SOCK_DIAG", 41, (16, 3, 4), EPROTONOSUPPORT),
    Call("fchmod with the setuid bit", 91, (-1, 0o4755), EPERM),
    Call("creat of a setuid file", 85, (0, 0o4755), EPERM),
    Call("personality without randomisation", 135, (0x0040000,), EPERM),
    Call("mknod of a device", 133, (0, 0o020600, 0x103), EPERM),
    # Last, since it succeeds where it is not refused, and takes the capabilities of the other calls along.
    Call("unshare a user namespace", 272, (0x10000000,), EPERM),
]

# Runs in the container: every call, then an answer a line. A failed call is its errno, a success 0.
SCRIPT = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
answers = []
for number, args in json.loads(sys.argv[1]):
    ctypes.set_errno(0)
    failed = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(arg) for arg in args]) == -1
    answers.append(ctypes.get_errno() if failed else 0)
print(json.dumps(answers))
"""


def answers(host: Host, option: str) -> list[int]:
    calls = json.dumps([[call.number, call.args] for call in CALLS])
    command = f"python3 -c {shlex.quote(SCRIPT)} {shlex.quote(calls)}"
    # Every capability is given, so that nothing but the filter can refuse.
    result: list[int] = json.loads(host.check_output(f"{RUN} --cap-add ALL {option} {IMAGE} {command}"))
    return result


@pytest.fixture(scope="module")
def filtered(host: Host) -> list[int]:
    return answers(host, f"--security-opt seccomp={PROFILE}")


@pytest.fixture(scope="module")
def unconfined(host: Host) -> list[int]:
    return answers(host, "--security-opt seccomp=unconfined")


@pytest.mark.parametrize("index", range(len(CALLS)), ids=[call.name for call in CALLS])
def test_the_call_is_refused_by_the_filter_alone(filtered: list[int], unconfined: list[int], index: int) -> None:
    assert filtered[index] == CALLS[index].answer
    assert unconfined[index] != CALLS[index].answer


def test_the_x32_entry_kills(host: Host) -> None:
    script = "import ctypes; print(ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39)))"
    run = f"{IMAGE} python3 -c {shlex.quote(script)}"
    assert host.run(f"{RUN} --security-opt seccomp={PROFILE} {run}").rc == 128 + 31
    assert host.run(f"{RUN} --security-opt seccomp=unconfined {run}").rc == 0


def test_programs_work_under_it(host: Host) -> None:
    script = (
        "import multiprocessing, os, socket, subprocess, sqlite3, tempfile, threading\n"
        "with multiprocessing.Pool(2) as pool:\n"
        "    assert pool.map(abs, [-1, -2]) == [1, 2]\n"
        "thread = threading.Thread(target=os.getpid); thread.start(); thread.join()\n"
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
        "socket.socket(socket.AF_INET6).close()\n"
        "sqlite3.connect(tempfile.mktemp()).execute('create table t (x)')\n"
        "assert subprocess.check_output(['sh', '-c', 'ls / | wc -l']).strip().isdigit()\n"
        "print('all worked')\n"
    )
    option = (
        f"--security-opt seccomp={PROFILE} --security-opt no-new-privileges --cap-drop ALL --user 1000 --tmpfs /tmp"
    )
    assert host.check_output(f"{RUN} {option} {IMAGE} python3 -c {shlex.quote(script)}") == "all worked"


def test_the_kernel_filters_a_container_that_can_be_entered_and_stopped(host: Host) -> None:
    option = f"--security-opt seccomp={PROFILE} --init --detach --name filtered"
    host.check_output(f"{RUN} {option} {IMAGE} sleep 600")
    try:
        pid = host.check_output("docker inspect --format '{{.State.Pid}}' filtered")
        assert "Seccomp:\t2" in host.file(f"/proc/{pid}/status").content_string
        assert host.run("docker exec filtered unshare --user true").rc != 0
        assert host.check_output("docker exec filtered echo inside") == "inside"
        assert host.run("timeout 8 docker stop --time 60 filtered").rc == 0
    finally:
        host.run("docker rm --force filtered")
