# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of one project in the simple repository API: read as HTML or JSON, rewritten, written as HTML or JSON.

(PEP 503, 592, 629, 658, 691, 700, 714.) What a client gets is made anew from what was understood; nothing else passes.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

from ..limits import PAGE_PARTS
from ..parts import parts_of
from ..refusals import Refusal

JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
HTML_TYPE: Final = "text/html"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a project; ``url`` has no fragment, ``uploaded`` is what the index says, or empty."""

    name: str
    url: str
    hashes: dict[str, str]
    requires_python: str
    yanked: str | bool
    metadata: dict[str, str] | bool
    uploaded: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """All files of a project."""

    project: str
    files: tuple[File, ...]

    def only(self, files: list[File]) -> Page:
        """Return the same page with other files."""
        return replace(self, files=tuple(files))


def read(content_type: str, body: bytes, url: str, project: str) -> Page:
    """Read the upstream's page, whose address was ``url``."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind.endswith("json"):
            if parts_of(body, PAGE_PARTS) > PAGE_PARTS:
                raise Refusal("upstream-size")
            return Page(project, tuple(_json_file(item, url) for item in json.loads(body)["files"]))
        if kind in (HTML_TYPE, "application/vnd.pypi.simple.v1+html"):
            anchors = _Anchors()
            anchors.feed(body.decode("utf-8"))
            anchors.close()
            return Page(project, tuple(_html_file(link, text, url) for link, text in anchors.found))
    # AssertionError is how html.parser says that a declaration has no end.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, AssertionError) as error:
        raise Refusal("upstream-answer", detail=f"index page: {error}"[:200]) from error
    raise Refusal("upstream-answer", detail=f"index page of type {kind}"[:200])


def write(page: Page, *, as_json: bool) -> tuple[str, bytes]:
    """Write the client's page; return its content type and body."""
    if as_json:
        return JSON_TYPE, json.dumps(_json_page(page), separators=(",", ":")).encode()
    lines = [_html_line(file) for file in page.files]
    start = '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"></head><body>'
    return f"{HTML_TYPE}; charset=utf-8", "\n".join([start, *lines, "</body></html>"]).encode("utf-8", "replace")


def _json_file(item: dict[str, Any], base: str) -> File:
    metadata = item.get("core-metadata", item.get("dist-info-metadata", False))
    yanked = item.get("yanked", False)
    return File(
        name=str(item["filename"]),
        url=urldefrag(urljoin(base, item["url"]))[0],
        hashes={str(key): str(value) for key, value in item.get("hashes", {}).items()},
        requires_python=str(item.get("requires-python") or ""),
        yanked=yanked if isinstance(yanked, bool) else str(yanked),
        metadata={str(k): str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else bool(metadata),
        uploaded=str(item.get("upload-time") or ""),
        size=item.get("size") if isinstance(item.get("size"), int) else None,
    )


def _html_file(link: dict[str, str], text: str, base: str) -> File:
    url, fragment = urldefrag(urljoin(base, link["href"]))
    algorithm, equals, digest = fragment.partition("=")
    metadata = link.get("data-core-metadata", link.get("data-dist-info-metadata"))
    name, _equals, value = (metadata or "").partition("=")
    return File(
        name=text.strip(),
        url=url,
        hashes={algorithm: digest} if equals else {},
        requires_python=link.get("data-requires-python", ""),
        yanked=(link["data-yanked"] or True) if "data-yanked" in link else False,
        metadata={name: value} if value else metadata is not None,
        uploaded="",
        size=None,
    )


def _json_page(page: Page) -> dict[str, Any]:
    files = [
        {
            "filename": file.name,
            "url": file.url,
            "hashes": file.hashes,
            **({"requires-python": file.requires_python} if file.requires_python else {}),
            **({"yanked": file.yanked} if file.yanked else {}),
            **({"core-metadata": file.metadata, "dist-info-metadata": file.metadata} if file.metadata else {}),
            **({"upload-time": file.uploaded} if file.uploaded else {}),
            **({"size": file.size} if file.size is not None else {}),
        }
        for file in page.files
    ]
    return {"meta": {"api-version": "1.0"}, "name": page.project, "files": files}


def _html_line(file: File) -> str:
    algorithm = "sha256" if "sha256" in file.hashes else next(iter(file.hashes), "")
    fragment = f"#{algorithm}={file.hashes[algorithm]}" if algorithm else ""
    attributes = {"href": file.url + fragment}
    if file.requires_python:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked:
        attributes["data-yanked"] = "" if file.yanked is True else str(file.yanked)
    if file.metadata:
        digest = file.metadata.get("sha256") if isinstance(file.metadata, dict) else None
        attributes["data-core-metadata"] = attributes["data-dist-info-metadata"] = (
            f"sha256={digest}" if digest else "true"
        )
    written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{html.escape(file.name)}</a><br>"


class _Anchors(HTMLParser):
    """Collects the links of a page with their texts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[dict[str, str], str]] = []
        self._open: dict[str, str] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a link."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in attributes:
            self._open, self._text = attributes, ""

    def handle_data(self, data: str) -> None:
        """Collect a link's text."""
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        """End a link."""
        if tag == "a" and self._open is not None:
            self.found.append((self._open, self._text))
            self._open = None
