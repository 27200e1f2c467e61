# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a host holds for some conversations, asked with few calls: one of each kind, however many they are.

Only a container that exists costs a call of its own, since Docker has no list with everything about each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from . import names
from .driver import Driver
from .errors import WorkspaceError
from .host import HostFiles, HostState, read_host
from .plan import Actual
from .proxy_control import ProxyControl
from .specification import Image, Request
from .wish import Wish

# Written by whoever drains the host: one line, why and since when.
DRAIN_FILE = Path("/run/bulkhead/draining")
# Stands for an image that is still to be pulled. Only a prediction ever sees it.
_TO_BE_PULLED = Image(id="(to be pulled)", command=("(the image's)",))


def observe(driver: Driver, wishes: Sequence[Wish]) -> Observation:
    """Looks at the host; raises WorkspaceError when Docker does not answer."""
    ids = "|".join(sorted(wish.conversation_id for wish in wishes))
    creating = [wish.request for wish in wishes if wish.state != "absent"]
    return Observation(
        driver,
        info=driver.host() if creating else {},
        images={reference: driver.image(reference) for reference in sorted({request.image for request in creating})},
        containers=driver.container_ids(name=f"^ws-({ids})(\\.replaced)?$"),
        volumes=driver.volumes(name=f"^ws-({ids})-(workspace|venv)$"),
        pulling=[request for request in creating if request.pull],
    )


class Observation:
    """What was seen. Safe to use from several threads."""

    def __init__(
        self,
        driver: Driver,
        *,
        info: Mapping[str, Any],
        images: Mapping[str, Mapping[str, Any] | None],
        containers: Mapping[str, str],
        volumes: Mapping[str, Mapping[str, Any]],
        pulling: Sequence[Request],
    ) -> None:
        self._driver = driver
        self._info = info
        self._images = {reference: Image.of(found) if found else None for reference, found in images.items()}
        self._containers = containers
        self._volumes = volumes
        self._files = HostFiles()
        self._lock = Lock()
        self._open: dict[str, frozenset[str] | WorkspaceError] = {}
        # Of several that need one image, the first one is said to pull it.
        self._pullers: dict[str, str] = {}
        for request in pulling:
            if self._images[request.image] is None:
                self._pullers.setdefault(request.image, request.conversation_id)

    def host(self, request: Request) -> HostState:
        """The host as far as a request depends on it."""
        image = self._images[request.image]
        if image is None and request.pull:
            image = _TO_BE_PULLED
        return read_host(request, self._info, image, self._files)

    def pulls(self, request: Request) -> bool:
        """Whether it falls to this request to pull its image."""
        return self._pullers.get(request.image) == request.conversation_id

    def fetch(self, request: Request) -> None:
        """Pulls the image if the host has none and the request says so; of several requests, only once."""
        with self._lock:
            if request.pull and self._images[request.image] is None:
                self._driver.pull(request.image)
                found = self._driver.image(request.image)
                self._images[request.image] = Image.of(found) if found else None

    @cached_property
    def draining(self) -> str | None:
        """Why the host takes no new conversations; None as long as it does."""
        try:
            return DRAIN_FILE.read_text().strip()
        except OSError:
            return None

    def proxy(self, request: Request) -> ProxyControl | None:
        """The control socket of the request's proxy, if it wants one."""
        return ProxyControl(request.proxy_control_socket) if request.proxy else None

    def proxy_if_there(self, request: Request) -> ProxyControl | None:
        """The same on a host whose proxy may be gone: removing must work there."""
        return self.proxy(request) if Path(request.proxy_control_socket).exists() else None

    def actual(self, request: Request, proxy: ProxyControl | None) -> Actual:
        """What there is under the conversation's names."""
        both = (names.workspace_volume(request.conversation_id), names.venv_volume(request.conversation_id))
        return Actual(
            container=self._container(request.container_name),
            replaced=self._container(names.replaced(request.conversation_id)),
            volumes={name: self._volumes[name] for name in both if name in self._volumes},
            proxy_open=proxy is not None and self._is_open(request, proxy),
        )

    def proxy_environment(self, request: Request, proxy: ProxyControl | None) -> dict[str, str]:
        """The variables by which clients in the container find the proxy's routes, as the proxy itself tells them."""
        return {} if proxy is None else proxy.environment(request.conversation_id)

    def _container(self, name: str) -> dict[str, Any] | None:
        found = self._containers.get(name)
        return None if found is None else self._driver.container(found)

    def _is_open(self, request: Request, proxy: ProxyControl) -> bool:
        with self._lock:
            known = self._open.get(request.proxy_control_socket)
            if known is None:
                try:
                    known = proxy.conversations()
                except WorkspaceError as error:
                    known = error
                self._open[request.proxy_control_socket] = known
        if isinstance(known, WorkspaceError):
            raise known
        return request.conversation_id in known
