# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries acts under an AppArmor profile and without it, and tells which processes run under it.

    python3 apparmor_probe.py PROFILE           JSON: each act under the profile, and the same act unconfined
    python3 apparmor_probe.py PROFILE --users   JSON: numbers of the processes that run under the profile

Needs root; as text (python3 -c TEXT PROFILE) it works as well. The acts open files without writing, and mount only in a
mount namespace of their own.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = 0x4000 | 0x40000
PTRACE_SEIZE = 0x4206
SECONDS = 60

Attempt = Callable[[], object]


def _open(path: str, flags: int) -> Attempt:
    return lambda: os.close(os.open(path, flags))


def _run(*argv: str) -> Attempt:
    return lambda: subprocess.run(argv, check=True, capture_output=True)


def _libc(name: str, *args: object) -> Attempt:
    def attempt() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if getattr(libc, name)(*args) == -1:
            raise OSError(ctypes.get_errno(), name)

    return attempt


def _socket(family: int, kind: int) -> Attempt:
    return lambda: socket.socket(family, kind).close()


def _trace() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        _libc("ptrace", PTRACE_SEIZE, child, None, None)()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _listen(path: str) -> Attempt:
    def attempt() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
        Path(path).unlink()

    return attempt


def forbidden(scratch: str) -> dict[str, Attempt]:
    return {
        "read the password hashes": _open("/etc/shadow", os.O_RDONLY),
        "run a program from /tmp": _run(f"{scratch}/program"),
        "read the memory of a process": _open("/proc/self/mem", os.O_RDONLY),
        "read the kernel's symbols": _open("/proc/kallsyms", os.O_RDONLY),
        "write a kernel setting": _open("/proc/sys/kernel/hostname", os.O_WRONLY),
        "write a kernel parameter": _open("/sys/module/apparmor/parameters/debug", os.O_WRONLY),
        "write a program of the image": _open("/usr/bin/env", os.O_WRONLY),
        "write a setting of the image": _open("/etc/hostname", os.O_WRONLY),
        "read root's home": _open("/root", os.O_RDONLY),
        "mount a file system": _libc("mount", b"none", scratch.encode(), b"tmpfs", 0, None),
        "trace another process": _trace,
        "open a packet socket": _socket(socket.AF_PACKET, socket.SOCK_RAW),
    }


def permitted(scratch: str) -> dict[str, Attempt]:
    return {
        "run a program": _run("/usr/bin/true"),
        "read a setting": _open("/etc/os-release", os.O_RDONLY),
        "write a temporary file": _open(f"{scratch}/file", os.O_WRONLY | os.O_CREAT),
        "connect to an own unix socket": _listen(f"{scratch}/socket"),
        "open a TCP socket": _socket(socket.AF_INET, socket.SOCK_STREAM),
    }


def _outcome(attempt: Attempt) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except subprocess.CalledProcessError as error:
        return f"exit {error.returncode}"
    return "ok"


def _private_mounts() -> None:
    _libc("unshare", CLONE_NEWNS)()
    _libc("mount", b"none", b"/", None, MS_REC_PRIVATE, None)()


def _enter(profile: str) -> None:
    """Puts this process under the profile; the kernel refuses one that it does not have."""
    Path("/proc/self/attr/apparmor/current").write_text(f"changeprofile {profile}", encoding="utf-8")


def _try_all(scratch: str, profile: str | None) -> str:
    _private_mounts()
    acts = {**forbidden(scratch), **permitted(scratch)}
    if profile:
        _enter(profile)
    return json.dumps({act: _outcome(attempt) for act, attempt in acts.items()})


def _inside(scratch: str, profile: str | None) -> dict[str, str]:
    """Tries all acts in a child, which alone goes under the profile: that is a way of no return."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            os.write(writing, _try_all(scratch, profile).encode())
        except OSError as error:
            os.write(writing, str(error).encode())
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit(f"cannot try anything under {profile or 'no profile'}: {told or f'no end within {SECONDS} s'}")
    outcomes: dict[str, str] = json.loads(told)
    return outcomes


def probe(profile: str) -> dict[str, object]:
    scratch = tempfile.mkdtemp(prefix="apparmor-probe-", dir="/tmp")
    try:
        shutil.copy("/usr/bin/true", f"{scratch}/program")
        control = _inside(scratch, None)
        confined = _inside(scratch, profile)
    finally:
        shutil.rmtree(scratch)
    wanted = forbidden(scratch)
    acts = []
    for act, seen in confined.items():
        if act not in wanted:
            verdict = "permitted" if seen == "ok" else "broken"
        elif seen == "ok":
            verdict = "not refused"
        else:
            verdict = "refused" if control[act] == "ok" else "no proof"
        acts.append({"act": act, "answer": seen, "without": control[act], "verdict": verdict})
    verdicts = [act["verdict"] for act in acts]
    return {
        "ok": not {"not refused", "broken"} & set(verdicts) and verdicts.count("refused") > len(wanted) // 2,
        "refused": verdicts.count("refused"),
        "acts": acts,
    }


def users(profile: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            label = (process / "attr/current").read_text(encoding="utf-8")
        except OSError:  # the process has ended meanwhile, or has no label
            continue
        if label.split(" ")[0].strip("\0\n") == profile:
            found.append(int(process.name))
    return sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(description="Tries acts under an AppArmor profile and without it.")
    parser.add_argument("profile")
    parser.add_argument("--users", action="store_true", help="only list the processes under the profile")
    options = parser.parse_args()
    if options.users:
        print(json.dumps(users(options.profile)))
        return 0
    result = probe(options.profile)
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
