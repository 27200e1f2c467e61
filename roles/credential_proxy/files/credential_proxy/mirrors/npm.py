# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of one npm package: versions that may not be fetched are taken out, addresses of tarballs lead here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ..limits import PAGE_PARTS
from ..parts import parts_of
from ..refusals import Refusal

Judge = Callable[[str, str], str | None]
"""Gives the path at which a tarball may be fetched, from its old path and its time of publication; None: not."""


def rewrite(body: bytes, judge: Judge, base_url: str) -> bytes:
    """Return the document for the client."""
    if parts_of(body, PAGE_PARTS) > PAGE_PARTS:
        raise Refusal("upstream-size")
    try:
        document = json.loads(body)
        times = document.get("time", {})
        versions = {
            version: _rewritten(data, judge, str(times.get(version, "")), base_url)
            for version, data in document["versions"].items()
        }
        kept = {version: data for version, data in versions.items() if data is not None}
        tags = document.get("dist-tags", {})
        document["versions"] = kept
        document["dist-tags"] = {tag: version for tag, version in tags.items() if version in kept}
        if kept and "latest" in tags and "latest" not in document["dist-tags"]:
            document["dist-tags"]["latest"] = _newest(kept, times)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refusal("upstream-answer", detail=f"package document: {error}"[:200]) from error
    if versions and not kept:
        raise Refusal("package-age")
    return json.dumps(document, separators=(",", ":")).encode()


def _rewritten(data: dict[str, Any], judge: Judge, published: str, base_url: str) -> dict[str, Any] | None:
    path = judge(urlsplit(data["dist"]["tarball"]).path, published)
    if path is None:
        return None
    return {**data, "dist": {**data["dist"], "tarball": base_url + path}}


def _newest(kept: dict[str, Any], times: dict[str, str]) -> str:
    """Choose what ``latest`` shall mean when the real one is too young: the last published that is no pre-release."""
    stable = [version for version in kept if "-" not in version] or list(kept)
    return max(stable, key=lambda version: str(times.get(version, "")))
