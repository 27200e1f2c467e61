# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package indexes that this machine's own pip and npm use, as routes of the proxy."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

_ASK_PIP = "from pip._internal.models.index import PyPI; print(PyPI.simple_url, PyPI.file_storage_domain)"


def authorities() -> str:
    """Return the file with the certificate authorities that this machine's clients trust."""
    system = "/etc/ssl/certs/ca-certificates.crt"
    return os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile or system


def upstream(host: str) -> dict[str, Any]:
    """Return a route's keys for a host; its address is fixed, because a test machine's mirror need not be public."""
    address = socket.getaddrinfo(host, 443, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    return {"host": host, "address": f"{address}:443", "ca_file": authorities()}


def python_routes(**rules: Any) -> list[dict[str, Any]]:
    """Return the routes for pip."""
    index, files = subprocess.run(
        [sys.executable, "-c", _ASK_PIP], capture_output=True, text=True, check=True
    ).stdout.split()
    page, file = upstream(urlsplit(index).hostname or ""), upstream(files)
    return [
        {"name": "pypi", "type": "pypi", "prefix": "/pypi/", **page, **rules},
        {"name": "pypi-files", "type": "pypi_files", "prefix": "/pypi-files/", **file, **rules},
    ]


def npm_route(**rules: Any) -> dict[str, Any]:
    """Return the route for npm."""
    registry = subprocess.run(
        ["npm", "config", "get", "registry"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return {"name": "npm", "type": "npm", "prefix": "/npm/", **upstream(urlsplit(registry).hostname or ""), **rules}
