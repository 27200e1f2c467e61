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
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

SOCKET = "/run/docker.sock"


class NoAnswerError(Exception):
    """The daemon gave no usable answer."""


@dataclass(frozen=True)
class Container:
    """A running container."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


class Engine:
    """Questions and requests to one daemon."""

    def __init__(self, path: str = SOCKET, *, timeout: float = 10.0) -> None:
        self._path = path
        self._timeout = timeout

    def get(self, url: str, *, timeout: float | None = None) -> Any:
        """The answer to a question."""
        with self._answer("GET", url, timeout=timeout) as response:
            return json.loads(response.read())

    def post(
        self,
        url: str,
        *,
        content: Any = None,
        stream: Iterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """What a request was answered with: a JSON document, a stream of bytes, or nothing goes out."""
        with self._answer("POST", url, content=content, stream=stream, timeout=timeout) as response:
            return response.read()

    def delete(self, url: str) -> None:
        with self._answer("DELETE", url) as response:
            response.read()

    def download(self, url: str, *, timeout: float, chunk: int = 1024 * 1024) -> Iterator[bytes]:
        """A long answer, piece by piece."""
        with self._answer("GET", url, timeout=timeout) as response:
            while piece := response.read(chunk):
                yield piece

    def info(self) -> dict[str, Any]:
        answer = self.get("/info")
        if not isinstance(answer, dict):
            raise NoAnswerError("GET /info was not answered with an object")
        return answer

    def containers(self) -> list[Container]:
        """The running containers, by name."""
        found = (Container(_name(one), one.get("Labels") or {}) for one in self.get("/containers/json"))
        return sorted(found, key=lambda container: container.name)

    def running(self) -> list[str]:
        """The names of the running containers."""
        return [container.name for container in self.containers()]

    def process_of(self, name: str) -> int:
        """The main process of a running container, as the host numbers it."""
        return int(self.get(f"/containers/{name}/json")["State"]["Pid"])

    def reloaded_since(self, moment: float) -> bool:
        """Whether the daemon has read its file again since moment (seconds since the epoch), and taken it."""
        span = f"since={moment:.6f}&until={time.time():.6f}"
        with self._answer(
            "GET", f"/events?{span}&filters={quoted({'type': ['daemon'], 'event': ['reload']})}"
        ) as answer:
            return bool(answer.read().strip())

    def stop(self, name: str, grace: int) -> None:
        """Ask a container to end; the daemon kills it after grace seconds."""
        self.post(f"/containers/{name}/stop?t={grace}", timeout=grace + 30)

    def start(self, name: str) -> None:
        self.post(f"/containers/{name}/start", timeout=60)

    @contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        *,
        content: Any = None,
        stream: Iterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, timeout or self._timeout)
        try:
            if stream is not None:
                connection.request(
                    method, url, body=stream, headers={"Content-Type": "application/x-tar"}, encode_chunked=True
                )
            elif content is not None:
                connection.request(method, url, json.dumps(content), {"Content-Type": "application/json"})
            else:
                connection.request(method, url)
            response = connection.getresponse()
            # 304: it is stopped, or started, already.
            if response.status >= http.client.BAD_REQUEST:
                words = response.read().decode(errors="replace").strip()
                raise NoAnswerError(f"{method} {url} was answered with {response.status}: {words}")
            yield response
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswerError(f"{method} {url} over {self._path}: {error}") from error
        finally:
            connection.close()


def quoted(value: Any) -> str:
    """A value of a query; other than text as JSON."""
    return urllib.parse.quote(value if isinstance(value, str) else json.dumps(value), safe="")


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
