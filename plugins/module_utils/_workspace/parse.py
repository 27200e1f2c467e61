# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Parsers that turn what a user wrote into one exact value, or say what is wrong with it."""

from __future__ import annotations

import re
from typing import Any

UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID")

_SIZE = re.compile(r"([0-9]{1,15})([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_CONVERSATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}", re.ASCII)
_USER = re.compile(r"([0-9]{1,9}):([0-9]{1,9})", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._@+-]+)+", re.ASCII)


def size(value: str) -> int | None:
    """Bytes in "2g", "512M" or "1048576"; None for the empty string, which switches a limit off."""
    if value == "":
        return None
    match = _SIZE.fullmatch(value)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{value!r} is no size; write a positive number with K, M, G or T, for example 512M")
    return int(match[1]) * UNITS[match[2].lower()]


def duration(value: str) -> int | None:
    """Seconds in "90s", "30m", "8h" or "7d"; None for the empty string, which means never."""
    if value == "":
        return None
    match = _SPAN.fullmatch(value)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{value!r} is no span of time; write a positive number with s, m, h or d, for example 8h")
    return int(match[1]) * _SPANS[match[2]]


def positive(value: str) -> int | None:
    """A positive whole number; None for the empty string, which switches a limit off."""
    if value == "":
        return None
    if not (value.isascii() and value.isdigit()) or not 0 < int(value) < 2**31:
        raise ValueError(f"{value!r} is no positive whole number; write for example 256")
    return int(value)


def conversation_id(value: str | None) -> str:
    """An identifier that is safe in a container name, a path and a label alike."""
    if value is None:
        raise ValueError("is missing; name the conversation")
    if not _CONVERSATION_ID.fullmatch(value):
        shown = value if len(value) <= 60 else value[:57] + "..."
        raise ValueError(
            f"{shown!r} is no conversation identifier; use 1 to 48 of A-Z a-z 0-9 _ -, beginning with a letter or digit"
        )
    return value


def user(value: str) -> str:
    """A numeric uid:gid. Names would be looked up in the image's files, which the host cannot trust."""
    match = _USER.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no numeric UID:GID; write for example 1000:1000")
    if int(match[1]) == 0 or int(match[2]) == 0:
        raise ValueError(f"{value!r} is root; a workspace never runs as root, write for example 1000:1000")
    return f"{int(match[1])}:{int(match[2])}"


def capabilities(value: list[str]) -> tuple[str, ...]:
    """Capabilities without the CAP_ prefix, sorted, each one of the four the design allows."""
    names = {name.upper().removeprefix("CAP_") for name in value}
    if unknown := sorted(names - set(CAPABILITIES)):
        raise ValueError(f"{', '.join(unknown)} may not be kept; choose from {', '.join(CAPABILITIES)}")
    return tuple(sorted(names))


def name(value: str) -> str:
    """A profile or runtime name; None of its characters can start an option or leave a path."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name; use letters, digits, _ . and -")
    return value


def apparmor_profile(value: str) -> str | None:
    """A profile name; None for the empty string, which leaves the container with Docker's own profile."""
    if value == "unconfined":
        raise ValueError("'unconfined' would take even Docker's own profile away; write an empty string for that one")
    return name(value) if value else None


def network(value: str) -> str:
    """A Docker network. The namespaces of the host and of other containers are always refused."""
    if value in {"host", "container"} or ":" in value:
        raise ValueError(f"{value!r} would share a network namespace; write none, or the name of a network")
    return name(value)


def image(value: str | None) -> str:
    """An image reference or identifier without white space."""
    if value is None:
        raise ValueError("is missing; name an image, or say state: absent")
    if not value or len(value) > 255 or re.search(r"[\s\x00-\x1f]", value) or value.startswith("-"):
        raise ValueError(f"{value[:60]!r} is no image reference; write for example bulkhead/workspace:demo")
    return value


def path(value: str) -> str:
    """An absolute path in plain spelling."""
    if not _PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError(f"{value[:60]!r} is no absolute path in plain spelling")
    return value


def optional_path(value: str) -> str | None:
    """An absolute path, or None for the empty string, which switches the feature off."""
    return path(value) if value else None


def environment(value: dict[str, Any]) -> dict[str, str]:
    """Environment variables; their names are checked here, the look of a credential in layers.py."""
    result = {}
    for key, content in value.items():
        if not _VARIABLE.fullmatch(str(key)):
            raise ValueError(f"{str(key)[:60]!r} is no name of an environment variable")
        if "\0" in str(content):
            raise ValueError(f"the value of {key} contains a NUL character")
        result[str(key)] = str(content)
    return result


def truth(value: str) -> bool:
    """A yes/no that also understands the empty string of the application's environment variables."""
    if value.lower() in {"", "false", "no", "off", "0"}:
        return False
    if value.lower() in {"true", "yes", "on", "1"}:
        return True
    raise ValueError(f"{value!r} is neither true nor false")
