#!/usr/bin/python
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_index_info
short_description: Ask pip and npm for the package indexes that they use
description:
  - Asks pip and npm for the index that they are configured for, or that is built into them, as whoever runs the task.
  - Tells it in parts, so that a proxy can be led to the same index.
  - pip knows where the files of its built-in index lie. Those of any other index are taken to be on its own host.
author:
  - bulkhead.workspace contributors (@bulkhead-workspace)
version_added: 2.0.0
extends_documentation_fragment:
  - bulkhead.workspace._attributes.info_module
options:
  clients:
    description: Whom to ask.
    type: list
    elements: str
    choices: [pip, npm]
    default: [pip, npm]
"""

EXAMPLES = r"""
- name: Ask for the indexes of this machine
  bulkhead.workspace.package_index_info:
  register: indexes
"""

RETURN = r"""
indexes:
  description: By the type of the proxy's route, where the index is.
  returned: success
  type: dict
  sample:
    pypi: {"host": "index.example.com", "port": 443, "base": "/repository/python"}
    pypi_files: {"host": "files.example.com", "port": 443}
    npm: {"host": "registry.example.com", "port": 443}
problems:
  description: What could not be learned, and what to do about it. No credential of an address is told.
  returned: success
  type: list
  elements: str
  sample: ["cannot ask npm: it is not installed; install it, or give the route a host"]
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

_SECONDS = 60
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9-]+\.)*[a-z][a-z0-9-]*")
_BASE = re.compile(r"((/[A-Za-z0-9._-]*[A-Za-z0-9_-])+)?")
# pip has no command that tells its built-in index.
_BUILT_IN = "from pip._internal.models.index import PyPI; print(PyPI.simple_url, PyPI.file_storage_domain)"
# As pip reads its settings: the environment first, then what is meant for one command, then the rest.
_SETTINGS = (":env:.index-url", "install.index-url", "global.index-url")
_CURE = "or give the route a host"


class NoAnswer(Exception):
    """A client told nothing that can be used; the text says why, and what to do."""


def place(client: str, address: str, ending: str = "") -> dict[str, Any]:
    """Take an index's address apart, without the ending that its kind always has."""
    try:
        parts = urlsplit(address)
        port = parts.port or 443
    except ValueError as error:
        raise NoAnswer(f"cannot use the index of {client}: its address cannot be read; correct it, {_CURE}") from error
    if parts.username is not None or parts.password is not None:
        raise NoAnswer(
            f"cannot use the index of {client}: a credential is in its address; give the route host, auth, credential"
        )
    if parts.scheme != "https":
        raise NoAnswer(
            f"cannot use the index of {client}: its address does not begin with https; correct it, {_CURE} and tls"
        )
    host, path = (parts.hostname or "").lower(), parts.path.rstrip("/")
    if not _HOST.fullmatch(host):
        raise NoAnswer(f"cannot use the index of {client}: {host[:80]!r} is no name of a host; correct it, {_CURE}")
    if parts.query or parts.fragment or not path.endswith(ending) or not _BASE.fullmatch(path.removesuffix(ending)):
        raise NoAnswer(
            f"cannot use the index of {client}: the path {path[:80]!r} is not one"
            f"{f' that ends in {ending}' if ending else ''}; correct it, {_CURE}"
        )
    base = path.removesuffix(ending)
    return {"host": host, "port": port, **({"base": base} if base else {})}


def configured(listing: str) -> str | None:
    """Find the index in what ``pip config list`` prints: one setting a line, its value as Python writes it."""
    settings = dict(line.split("=", 1) for line in listing.splitlines() if "=" in line)
    for key in _SETTINGS:
        if key in settings:
            try:
                return str(ast.literal_eval(settings[key]))
            except (SyntaxError, ValueError) as error:
                raise NoAnswer(f"cannot read pip's setting {key}; correct it, {_CURE}") from error
    return None


def ask(command: list[str]) -> str | None:
    """Return what a command prints; None if there is no such program, or it fails."""
    try:
        # Whatever the caller's directory configures for npm is not the machine's.
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            cwd="/",
            env={**os.environ, "NO_COLOR": "1", "NO_UPDATE_NOTIFIER": "1"},
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout


def ask_pip() -> dict[str, dict[str, Any]]:
    """Return the index, and where its files lie."""
    for python in (sys.executable, "python3"):
        listing = ask([python, "-m", "pip", "config", "list"])
        if listing is not None:
            break
    else:
        raise NoAnswer(f"cannot ask pip: it is not installed; install it, {_CURE}")
    address = configured(listing)
    if address is not None:
        index = place("pip", address, "/simple")
        return {"pypi": index, "pypi_files": {"host": index["host"], "port": index["port"]}}
    built_in = (ask([python, "-c", _BUILT_IN]) or "").split()
    if len(built_in) != 2:
        raise NoAnswer(f"cannot learn the index that is built into pip; configure global.index-url for it, {_CURE}")
    return {"pypi": place("pip", built_in[0], "/simple"), "pypi_files": place("pip", f"https://{built_in[1]}")}


def ask_npm() -> dict[str, dict[str, Any]]:
    """Return the registry."""
    answer = ask(["npm", "config", "get", "registry"])
    if answer is None:
        raise NoAnswer(f"cannot ask npm: it is not installed, or fails; install it, {_CURE}")
    return {"npm": place("npm", answer.strip())}


_ASK: dict[str, Callable[[], dict[str, dict[str, Any]]]] = {"pip": ask_pip, "npm": ask_npm}


def main() -> None:
    """Ask, and collect the problems of both."""
    module = AnsibleModule(
        argument_spec={
            "clients": {"type": "list", "elements": "str", "choices": list(_ASK), "default": list(_ASK)},
        },
        supports_check_mode=True,
    )
    indexes: dict[str, dict[str, Any]] = {}
    problems = []
    for client in module.params["clients"]:
        try:
            indexes |= _ASK[client]()
        except NoAnswer as error:
            problems.append(str(error))
    module.exit_json(changed=False, indexes=indexes, problems=problems)


if __name__ == "__main__":
    main()
