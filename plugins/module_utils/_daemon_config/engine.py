# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine API over its unix socket, with the standard library only.

Note that this module util is PRIVATE to the collection.

Ask whether docker.service runs before using this: a connection to the socket of a stopped daemon would
start it through docker.socket.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

SOCKET = "/run/docker.sock"


class NoAnswerError(Exception):
    """The daemon gave no usable answer."""


class Engine:
    """Read-only questions to one daemon."""

    def __init__(self, path: str = SOCKET, *, timeout: float = 10.0) -> None:
        self._path = path
        self._timeout = timeout

    def get(self, url: str) -> Any:
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request("GET", url)
            response = connection.getresponse()
            body = response.read()
            if response.status != http.client.OK:
                raise NoAnswerError(f"GET {url} was answered with {response.status}: {body.decode(errors='replace')}")
            return json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswerError(f"GET {url} over {self._path}: {error}") from error
        finally:
            connection.close()

    def info(self) -> dict[str, Any]:
        answer = self.get("/info")
        if not isinstance(answer, dict):
            raise NoAnswerError("GET /info was not answered with an object")
        return answer

    def running(self) -> list[str]:
        """The names of the running containers."""
        return sorted(_name(container) for container in self.get("/containers/json"))

    def process_of(self, name: str) -> int:
        """The main process of a running container, as the host numbers it."""
        return int(self.get(f"/containers/{name}/json")["State"]["Pid"])


def _name(container: dict[str, Any]) -> str:
    names = container.get("Names") or [container["Id"][:12]]
    return str(names[0]).lstrip("/")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
