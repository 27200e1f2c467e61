# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways out of a container, as programs that try them, and how their answers are judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CALLS = Path(__file__).with_name("calls.py")
FILES = Path(__file__).with_name("files.py")
# Answers of a kernel that does not have the thing at all: a refusal by us then proves nothing.
_LACKING = ("ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT")


def not_refused(confined: Mapping[str, str]) -> list[str]:
    """The acts that succeeded under the profile."""
    return [act for act, answer in confined.items() if answer == "ok"]


def proved(confined: Mapping[str, str], control: Mapping[str, str]) -> list[str]:
    """The acts that the profile refused and that, without it, succeeded or came as far as the call's own checks."""
    return [
        act for act, answer in confined.items() if answer not in ("ok", control[act]) and control[act] not in _LACKING
    ]


def succeeded(confined: Mapping[str, str], control: Mapping[str, str]) -> list[str]:
    """Of these, the acts that succeeded without the profile."""
    return [act for act in proved(confined, control) if control[act] == "ok"]
