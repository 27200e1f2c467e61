# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package indexes as read-only mirrors: GET and HEAD only, so that nothing can be published or handed in through them.

Where a minimum age is set, only files that a page showed to this conversation may be fetched: their addresses on the
page carry a seal over conversation, project and path. It covers the file's metadata too, which clients fetch from the
same address with ``.metadata`` behind it.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from ..decision import Forward
from ..grammar import values
from ..mirrors import npm, simple
from ..mirrors.names import Readings, Release, normalised, npm_release, python_readings
from ..refusals import Refusal
from ..request import RequestHead
from ..settings import Route, matches

_PROJECT: Final = re.compile(r"/simple/([A-Za-z0-9](?:[A-Za-z0-9._-]{0,127}[A-Za-z0-9])?)/?")
_FILE: Final = re.compile(r"(?:/~([0-9a-f]{32}))?((?:/(?:[A-Za-z0-9_+!.-]|%2[Bb]|%21)+)+)")
_NPM_NAME: Final = r"((?:@[a-z0-9~-][a-z0-9._~-]*(?:/|%2[Ff]))?[A-Za-z0-9~][A-Za-z0-9._~-]*)"
_NPM_DOCUMENT: Final = re.compile(rf"/{_NPM_NAME}")
_NPM_TARBALL: Final = re.compile(rf"(?:/~([0-9a-f]{{32}}))?(/{_NPM_NAME}/-/((?:[A-Za-z0-9_+!.~-]|%2[Bb])+\.tgz))")
_READING: Final = ("GET", "HEAD")
KINDS: Final = ("pypi", "pypi_files", "npm")
_SEAL_BYTES: Final = 16
# Names have at most 214 bytes, and the path holds two of them; all of it goes into the log.
_NPM_PATH_BYTES: Final = 1024
_PAGE_TYPES: Final = f"{simple.JSON_TYPE}, {simple.HTML_TYPE};q=0.1".encode()


@dataclass(frozen=True, slots=True)
class Mirror:
    """What rewriting needs to know of the service: all routes, the address for clients, a key for seals, the time."""

    routes: tuple[Route, ...] = ()
    client_url: str = ""
    seal_key: bytes = b""
    clock: Callable[[], float] = time.time


def decide(head: RequestHead, path: str, mark: str, route: Route, mirror: Mirror, conversation: str) -> Forward:
    """Allow one page or one file of a package."""
    if head.method not in _READING:
        raise Refusal("read-only", allow=", ".join(_READING))
    if mark:
        raise Refusal("query")
    visit = _Visit(route, mirror, conversation)
    if route.kind == "pypi":
        return visit.project_page(path, b",".join(values(head.fields, b"accept")))
    return visit.python_file(path) if route.kind == "pypi_files" else visit.npm(path)


@dataclass(frozen=True, slots=True)
class _Visit:
    """One conversation's look at one index."""

    route: Route
    mirror: Mirror
    conversation: str

    def project_page(self, path: str, accept: bytes) -> Forward:
        """Allow one project's page. A denied one's passes too: clients show only why its files are refused."""
        match = _PROJECT.fullmatch(path)
        if match is None:
            raise Refusal("index-path")
        name = normalised(match[1])
        target = f"{self.route.base}/simple/{name}/"
        as_json = simple.JSON_TYPE.encode() in accept

        def transform(content_type: str, body: bytes) -> tuple[str, bytes]:
            page = simple.read(content_type, body, f"https://{self.route.authority}{target}", name)
            return simple.write(page.only(self._shown(name, page.files)), as_json=as_json)

        facts = {"package": name}
        return Forward(self.route, target, facts=facts, accept=_PAGE_TYPES, transform=transform)

    def python_file(self, path: str) -> Forward:
        """Allow one distribution, or its metadata."""
        match = _FILE.fullmatch(path)
        if match is None or any(part in (".", "..") for part in match[2].split("/")):
            raise Refusal("index-path")
        readings = python_readings(unquote(match[2].rpartition("/")[2]))
        if readings is None:
            raise Refusal("index-path")
        return self._file(readings, match[1], match[2])

    def npm(self, path: str) -> Forward:
        """Allow the document of a package, or one tarball."""
        if len(path) > _NPM_PATH_BYTES:
            raise Refusal("index-path")
        match = _NPM_TARBALL.fullmatch(path)
        if match is not None:
            release = npm_release(unquote(match[3]), unquote(match[4]))
            if release is None:
                raise Refusal("index-path")
            return self._file(Readings.of([release]), match[1], match[2])
        match = _NPM_DOCUMENT.fullmatch(path)
        if match is None:
            raise Refusal("index-path")
        name = unquote(match[1])
        self._check(Readings.of([Release(name, "")]))

        def transform(content_type: str, body: bytes) -> tuple[str, bytes]:
            base_url = self.mirror.client_url + self.route.prefix[:-1]
            return content_type, npm.rewrite(body, self._npm_path, base_url)

        # Only the long form of the document says when each version was published.
        accept = b"application/json" if self.route.packages.minimum_age_seconds else b""
        facts = {"package": name}
        return Forward(self.route, self.route.base + path, facts=facts, accept=accept, transform=transform)

    def _file(self, readings: Readings, seal: str | None, path: str) -> Forward:
        release, sealed = readings.likely[0], False
        if self.route.packages.minimum_age_seconds and seal:
            for reading in readings.every:
                if hmac.compare_digest(seal, self._seal(self.route, reading.name, path)):
                    # The page has said which project it is: there is nothing left to guess.
                    release, sealed, readings = reading, True, Readings.of([reading])
                    break
        self._check(readings)
        if self.route.packages.minimum_age_seconds and not sealed:
            raise Refusal("package-age", detail=f"{release.name} {release.version}"[:120])
        facts = {"package": release.name, "version": release.version}
        return Forward(self.route, self.route.base + path, facts=facts, digest=True)

    def _check(self, readings: Readings) -> None:
        """Refuse what may be a denied package, and what may be one that is not allowed."""
        rules = self.route.packages
        for release in readings.every:
            if matches(release.name, rules.deny):
                raise Refusal("package-denied", detail=release.name[:120])
        for release in readings.likely:
            if rules.allow and not matches(release.name, rules.allow):
                raise Refusal("package-denied", detail=release.name[:120])

    def _shown(self, project: str, files: tuple[simple.File, ...]) -> list[simple.File]:
        """Return the files that may be fetched through here, with their new addresses.

        When all of them are too young they stay on the page without a seal, so that fetching one tells the reason.
        """
        here = [(file, target) for file in files if (target := self._file_route(file.url)) is not None]
        ripe = [(file, target) for file, target in here if self._is_ripe(file.uploaded, target[0])]
        return [
            replace(file, url=route.prefix[:-1] + (self._sealed(route, project, path) if ripe else path))
            for file, (route, path) in ripe or here
        ]

    def _file_route(self, url: str) -> tuple[Route, str] | None:
        """Find the route that leads to a file's host, and the file's path below its base."""
        parts = urlsplit(url)
        for route in self.mirror.routes:
            if route.kind == "pypi_files" and parts.scheme == "https" and parts.netloc == route.authority:
                path = parts.path.removeprefix(route.base)
                if parts.path.startswith(route.base + "/") and _FILE.fullmatch(path) and not parts.query:
                    return route, path
        return None

    def _npm_path(self, path: str, published: str) -> str | None:
        path = path.removeprefix(self.route.base)
        match = _NPM_TARBALL.fullmatch(path)
        if match is None or not self._is_ripe(published, self.route):
            return None
        return self._sealed(self.route, unquote(match[3]), path)

    def _is_ripe(self, published: str, route: Route) -> bool:
        """Tell whether a release is old enough; one whose age the index does not tell is not."""
        age = max(route.packages.minimum_age_seconds, self.route.packages.minimum_age_seconds)
        if not age:
            return True
        try:
            then = datetime.fromisoformat(published).timestamp()
        except ValueError:
            return False
        return self.mirror.clock() - then >= age

    def _sealed(self, route: Route, project: str, path: str) -> str:
        return f"/~{self._seal(route, project, path)}{path}" if route.packages.minimum_age_seconds else path

    def _seal(self, route: Route, project: str, path: str) -> str:
        text = f"{self.conversation}\0{route.name}\0{project}\0{path.removesuffix('.metadata')}"
        return hmac.digest(self.mirror.seal_key, text.encode(), "sha256")[:_SEAL_BYTES].hex()
