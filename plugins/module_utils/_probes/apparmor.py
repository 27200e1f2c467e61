# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Asks the kernel what a loaded AppArmor profile allows, as aa_query_label(2) does. A profile that AppArmor 3 compiled
has no rule for user namespaces, whatever the kernel could do.
"""

from __future__ import annotations

import os
from pathlib import Path

_ASK = Path("/sys/kernel/security/apparmor/.access")
# security/apparmor/include/apparmor.h and perms.h of the kernel.
_CLASS_NAMESPACE, _CREATE_USER_NAMESPACE = b"\x15", 0x8


def refuses_user_namespaces(profile: str) -> bool:
    """Whether the profile itself refuses to create one; False where the kernel knows no such profile."""
    try:
        descriptor = os.open(_ASK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, b"label\0" + profile.encode() + b"\0" + _CLASS_NAMESPACE)
        return not allowed(os.pread(descriptor, 4096, 0).decode()) & _CREATE_USER_NAMESPACE
    except OSError:
        return False
    finally:
        os.close(descriptor)


def allowed(answer: str) -> int:
    """The permissions in the kernel's answer, a bit each: the line "allow 0xffffffff"."""
    words = dict(line.split() for line in answer.splitlines())
    return int(words["allow"], 16)
