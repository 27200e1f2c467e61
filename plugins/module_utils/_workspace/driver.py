# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The only file that talks to Docker: the docker SDK's low-level client, each call with an error worth reading.

Works with python3-docker 5.0.3 (Debian 12) and 7.1.0 (Debian 13): only calls that both have, and requests are built
here instead of by the SDK's helpers, which know fewer options than the daemon.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import names
from .errors import WorkspaceError

try:
    import docker
    import requests
except ImportError as error:
    IMPORT_ERROR: ImportError | None = error
else:
    IMPORT_ERROR = None


# A daemon that is gone refuses the connection at once; one that is busy may take its time.
_PATIENCE_SECONDS = 180


class Driver:
    """A connection to one Docker daemon."""

    def __init__(self, docker_host: str, timeout: int = _PATIENCE_SECONDS) -> None:
        self._docker_host = docker_host
        if IMPORT_ERROR is not None:
            raise WorkspaceError(
                "cannot load the Python library docker on the target: "
                f"{IMPORT_ERROR}; install the Debian package python3-docker"
            ) from IMPORT_ERROR
        with self._act("connect to", f"Docker at {docker_host}"):
            # Typed as Any: only some releases of the SDK have type information, and it is incomplete.
            self._client: Any = docker.APIClient(base_url=docker_host, version="auto", timeout=timeout)
        if docker_host.startswith("unix:"):
            # No proxy of the environment is on the way to a socket, so it need not be looked for at each call.
            self._client.trust_env = False

    @contextmanager
    def _act(self, act: str, target: str) -> Iterator[None]:
        try:
            yield
        except docker.errors.APIError as error:
            cause = (error.explanation or str(error)).strip().rstrip(".")
            raise WorkspaceError(f"cannot {act} {target}: {cause}; see the journal of docker.service") from error
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise WorkspaceError(
                f"cannot {act} {target}: Docker at {self._docker_host} does not answer ({_cause(error)}); "
                "see that docker.service runs, and run the task as root"
            ) from error

    def host(self) -> dict[str, Any]:
        """Docker's description of itself."""
        with self._act("ask", "Docker for its settings"):
            return dict(self._client.info())

    def image(self, reference: str) -> dict[str, Any] | None:
        """An image that is on the host."""
        with self._act("inspect", f"image {reference}"):
            try:
                return dict(self._client.inspect_image(reference))
            except docker.errors.NotFound:
                return None

    def container(self, name: str) -> dict[str, Any] | None:
        """A container by name or identifier, or None."""
        with self._act("inspect", f"container {name}"):
            try:
                return dict(self._client.inspect_container(name))
            except docker.errors.NotFound:
                return None

    def volume(self, name: str) -> dict[str, Any] | None:
        """A volume, or None."""
        with self._act("inspect", f"volume {name}"):
            try:
                return dict(self._client.inspect_volume(name))
            except docker.errors.NotFound:
                return None

    def container_ids(self, *, label: str = "", name: str = "") -> dict[str, str]:
        """Identifiers by name of the containers, running or not, that have a label or match a regular expression."""
        filters = {key: [value] for key, value in (("label", label), ("name", name)) if value}
        with self._act("list", "containers"):
            found = self._client.containers(all=True, filters=filters)
        return {entry["Names"][0].lstrip("/"): entry["Id"] for entry in found if entry.get("Names")}

    def managed_containers(self) -> list[dict[str, Any]]:
        """The containers with our label, running or not."""
        inspected = (self.container(key) for key in self.container_ids(label=f"{names.MANAGED}=true").values())
        return [entry for entry in inspected if entry is not None]

    def volumes(self, *, label: str = "", name: str = "") -> dict[str, dict[str, Any]]:
        """Volumes by name that have a label or match a regular expression, in one call."""
        filters = {key: [value] for key, value in (("label", label), ("name", name)) if value}
        with self._act("list", "volumes"):
            return {entry["Name"]: entry for entry in self._client.volumes(filters=filters)["Volumes"] or []}

    def pull(self, reference: str) -> None:
        """Fetches an image from its registry."""
        with self._act("pull", f"image {reference}"):
            for line in self._client.pull(reference, stream=True, decode=True):
                # The daemon has said "200 OK" long before it finds out.
                if "error" in line:
                    raise WorkspaceError(
                        f"cannot pull image {reference}: {line['error']}; see that the registry can be reached from "
                        "this host and that the reference is right"
                    )

    def create_volume(self, name: str, options: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
        """Makes a volume of the local driver and returns its description."""
        with self._act("create", f"volume {name}"):
            return dict(
                self._client.create_volume(name, driver="local", driver_opts=dict(options), labels=dict(labels))
            )

    def remove_volume(self, name: str) -> None:
        """Removes a volume; one that is gone already is fine."""
        with self._act("remove", f"volume {name}"):
            try:
                self._client.remove_volume(name)
            except docker.errors.NotFound:
                return

    def create(self, name: str, payload: Mapping[str, Any]) -> str:
        """Creates a container and returns its identifier."""
        with self._act("create", f"container {name}"):
            return str(self._client.create_container_from_config(dict(payload), name)["Id"])

    def update(self, name: str, payload: Mapping[str, Any]) -> None:
        """Changes limits in place. The SDK's own call does not know the process limit."""
        with self._act("update", f"container {name}"):
            url = f"{self._client.base_url}/v{self._client.api_version}/containers/{name}/update"
            answer = self._client.post(url, json=dict(payload), timeout=self._client.timeout)
            if answer.status_code != requests.codes.ok:
                raise docker.errors.APIError(answer.reason, answer, explanation=_explanation(answer.text))

    def rename(self, name: str, new_name: str) -> None:
        """Gives a container another name."""
        with self._act("rename", f"container {name}"):
            self._client.rename(name, new_name)

    def start(self, name: str) -> None:
        """Starts a container."""
        with self._act("start", f"container {name}"):
            self._client.start(name)

    def pause(self, name: str) -> None:
        """Freezes a running container."""
        with self._act("pause", f"container {name}"):
            self._client.pause(name)

    def unpause(self, name: str) -> None:
        """Resumes a paused container."""
        with self._act("unpause", f"container {name}"):
            self._client.unpause(name)

    def stop(self, name: str, timeout: int) -> None:
        """Stops a container: SIGTERM, then SIGKILL when the grace time is over."""
        with self._act("stop", f"container {name}"):
            self._client.stop(name, timeout=timeout)

    def wait(self, name: str, timeout: float) -> int | None:
        """Waits for the end of a container; its exit status, or None when the time is over first."""
        with self._act("wait for", f"container {name}"):
            try:
                return int(self._client.wait(name, timeout=timeout)["StatusCode"])
            except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
                return None

    def remove(self, name: str) -> None:
        """Removes a container with its anonymous volumes; one that is gone already is fine."""
        with self._act("remove", f"container {name}"):
            try:
                self._client.remove_container(name, force=True, v=True)
            except docker.errors.NotFound:
                return

    def log(self, name: str, lines: int = 20) -> str:
        """The last lines that a container printed."""
        with self._act("read the log of", f"container {name}"):
            return bytes(self._client.logs(name, tail=lines)).decode(errors="replace").strip()

    def execute(self, name: str, command: list[str], user: str = "") -> tuple[int | None, str]:
        """Runs a program inside a running container; exit status and everything it printed."""
        with self._act("run a program in", f"container {name}"):
            created = self._client.exec_create(name, command, user=user)
            output = bytes(self._client.exec_start(created["Id"]))
            status = self._client.exec_inspect(created["Id"])["ExitCode"]
        return status, output.decode(errors="replace")


def _cause(error: BaseException) -> str:
    """The innermost reason: the outer ones only wrap the address once more."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(getattr(error, "strerror", None) or error)


def _explanation(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
