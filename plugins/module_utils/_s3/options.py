# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say how to reach a server. Note that this module util is PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .connection import Access

# The names are the fields of Access.
ACCESS: dict[str, Any] = {
    "endpoint_url": {"type": "str", "default": ""},
    "region": {"type": "str", "default": ""},
    "profile": {"type": "str", "default": ""},
    "access_key": {"type": "str", "default": "", "no_log": False},
    "secret_key": {"type": "str", "default": "", "no_log": True},
    "session_token": {"type": "str", "default": "", "no_log": True},
    "ca_bundle": {"type": "path", "default": ""},
    "instance_metadata": {"type": "bool", "default": False},
    "connect_timeout": {"type": "int", "default": 5},
    "read_timeout": {"type": "int", "default": 20},
    "attempts": {"type": "int", "default": 3},
}


def access(params: Mapping[str, Any]) -> Access:
    """The part of a task's parameters that says how to reach the server."""
    return Access(**{option: params[option] for option in ACCESS})


def access_problems(params: Mapping[str, Any]) -> list[str]:
    """What would not work whatever the server is; one sentence a problem."""
    found = []
    if bool(params["access_key"]) != bool(params["secret_key"]):
        found.append("access_key and secret_key go together; set both or neither")
    if params["profile"] and params["access_key"]:
        found.append("profile and access_key exclude each other; set one")
    endpoint = params["endpoint_url"]
    if endpoint and not endpoint.startswith(("http://", "https://")):
        found.append(f"endpoint_url {endpoint!r} is no address; write http://HOST:PORT or https://HOST:PORT")
    found += [
        f"{option} must be at least 1"
        for option in ("connect_timeout", "read_timeout", "attempts")
        if params[option] < 1
    ]
    return found
