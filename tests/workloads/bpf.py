# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seccomp profile as the program that libseccomp makes of it for some architecture, and what it answers to a call.

The programs are those that a kernel of that architecture would run; no machine of it is needed to ask one.
"""

from __future__ import annotations

import ctypes
import os
import struct
import tempfile
from collections.abc import Mapping
from typing import Any

#: AUDIT_ARCH_* of linux/audit.h, which libseccomp has for its tokens, too.
X86_64 = 0xC000003E
AARCH64 = 0xC00000B7
KILL_THREAD, KILL_PROCESS, ERRNO, ALLOW = 0x00000000, 0x80000000, 0x00050000, 0x7FFF0000

_CMP_MASKED_EQ = 7
_NATIVE = 0
_UNKNOWN = -1
_Program = list[tuple[int, int, int, int]]


class _ArgCmp(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def _library() -> Any:
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    for name in ("seccomp_arch_add", "seccomp_arch_remove"):
        getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_ArgCmp),
    ]  # fmt: skip
    return library


_LIBRARY = _library()


def number(architecture: int, call: str) -> int:
    """The call's number there; negative where it has no such call, or libseccomp does not know it."""
    return int(_LIBRARY.seccomp_syscall_resolve_name_arch(architecture, call.encode()))


def compiled(profile: Mapping[str, Any], architecture: int) -> _Program:
    """The profile's program for one architecture: (code, jump if true, jump if false, value) each."""

    def action(entry: Mapping[str, Any], key: str, error: str) -> int:
        return ERRNO | int(entry[error]) if entry[key] == "SCMP_ACT_ERRNO" else ALLOW

    default = action(profile, "defaultAction", "defaultErrnoRet")
    context = _LIBRARY.seccomp_init(default)
    _insist(_LIBRARY.seccomp_arch_add(context, architecture), "add the architecture", known=(-17,))  # EEXIST
    if architecture != X86_64:
        _insist(_LIBRARY.seccomp_arch_remove(context, _NATIVE), "remove this machine's")
    for rule in profile["syscalls"]:
        wanted = action(rule, "action", "errnoRet")
        if wanted == default:  # libseccomp refuses such a rule, runtimes leave it out
            continue
        tests = [
            _ArgCmp(test["index"], _CMP_MASKED_EQ, test["value"], test["valueTwo"]) for test in rule.get("args", [])
        ]
        for name in rule["names"]:
            # Numbers are the native ones, which libseccomp translates; calls that are not native have negative ones.
            native = number(_NATIVE, name)
            if native != _UNKNOWN:
                array = (_ArgCmp * len(tests))(*tests)
                added = _LIBRARY.seccomp_rule_add_array(context, wanted, native, len(tests), array)
                _insist(added, f"add the rule for {name}")
    with tempfile.TemporaryFile() as file:
        _insist(_LIBRARY.seccomp_export_bpf(context, file.fileno()), "export the program")
        file.seek(0)
        return list(struct.iter_unpack("=HBBI", file.read()))


def _insist(result: int, act: str, known: tuple[int, ...] = ()) -> None:
    if result < 0 and result not in known:
        raise OSError(-result, f"libseccomp cannot {act}: {os.strerror(-result)}")


def answer(program: _Program, architecture: int, call: int, *args: int) -> int:
    """What the kernel's interpreter returns for a call with these arguments (64 bits each, missing ones are 0)."""
    filled = [*args, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=iIQ6Q", call, architecture, 0, *filled)
    accumulator = position = 0
    while True:
        code, if_true, if_false, value = program[position]
        position += 1
        match code:
            case 0x20:  # load a word
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x54:  # and
                accumulator &= value
            case 0x05:  # jump
                position += value
            case 0x15 | 0x25 | 0x35 | 0x45:  # jump if equal, greater, greater or equal, any bit
                holds = {
                    0x15: accumulator == value,
                    0x25: accumulator > value,
                    0x35: accumulator >= value,
                    0x45: bool(accumulator & value),
                }[code]
                position += if_true if holds else if_false
            case 0x06:  # return
                return value
            case _:
                raise ValueError(f"instruction {code:#x} is none that libseccomp makes")
