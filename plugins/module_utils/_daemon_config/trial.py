# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on trial, without any image of the host's: some of its programs and their libraries are one.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
    quoted,
)

_LIBRARY = re.compile(r"(/\S+)")
_SECONDS = 120
#: Docker multiplexes both outputs in frames of this head: stream, three zeros, length.
_HEAD = 8


class TrialError(Exception):
    """The trial could not be made."""


class Trial:
    """Makes an image in `with`, and removes it with all containers and volumes of the trial at the end."""

    def __init__(self, engine: Engine, *, programs: Sequence[str]) -> None:
        self._engine = engine
        self._programs = programs
        self._name = f"bulkhead-trial-{secrets.token_hex(4)}"
        self._containers: list[str] = []
        self._volumes: list[str] = []

    def __enter__(self) -> Trial:
        tree = _tree(self._programs)
        self._engine.post(f"/images/create?fromSrc=-&repo={self._name}&tag=1", stream=_pieces(tree), timeout=_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gone = [f"/containers/{name}?force=true&v=true" for name in self._containers]
        gone += [f"/volumes/{name}" for name in self._volumes]
        for url in [*gone, f"/images/{quoted(self._name + ':1')}?force=true"]:
            try:
                self._engine.delete(url)
            except NoAnswerError:
                # The trial's own verdict says more than what could not be cleared away after it.
                continue

    def volume(self, options: dict[str, str]) -> str:
        """The name of a new volume with options of the local driver."""
        name = f"{self._name}-{len(self._volumes)}"
        self._engine.post("/volumes/create", content={"Name": name, "DriverOpts": options})
        self._volumes.append(name)
        return name

    def run(self, command: Sequence[str], *, host: dict[str, Any], user: str = "") -> str:
        """What a container without a network said on both outputs until it ended; `host` is its HostConfig."""
        answer = self._engine.post(
            "/containers/create",
            content={
                "Image": f"{self._name}:1",
                "Cmd": list(command),
                "User": user,
                "Env": ["PATH=/bin", "LC_ALL=C"],
                "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "json-file"}, **host},
            },
            timeout=_SECONDS,
        )
        name = str(json.loads(answer)["Id"])
        self._containers.append(name)
        self._engine.post(f"/containers/{name}/start", timeout=_SECONDS)
        self._engine.post(f"/containers/{name}/wait", timeout=_SECONDS)
        log = b"".join(self._engine.download(f"/containers/{name}/logs?stdout=1&stderr=1", timeout=_SECONDS))
        return b"".join(_frames(log)).decode(errors="replace")


def _tree(programs: Sequence[str]) -> bytes:
    """A tar archive of the programs in /bin, and of the libraries where they look for them."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        seen: set[str] = set()
        for program in programs:
            path = shutil.which(program, path="/bin:/usr/bin")
            if path is None:
                raise TrialError(f"the host has no program {program}")
            listed = subprocess.run(["ldd", path], check=False, capture_output=True, text=True).stdout
            for file, name in [(path, f"/bin/{program}"), *((one, one) for one in _LIBRARY.findall(listed))]:
                if name not in seen and Path(file).exists():
                    seen.add(name)
                    tar.add(Path(file).resolve(), arcname=name)
    return archive.getvalue()


def _pieces(data: bytes, size: int = 1024 * 1024) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def _frames(log: bytes) -> Iterator[bytes]:
    while len(log) >= _HEAD:
        length = int.from_bytes(log[4:_HEAD], "big")
        yield log[_HEAD : _HEAD + length]
        log = log[_HEAD + length :]
