# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Signature Version 4, for the services that encode the path a second time (all but S3).

What is signed is what is sent: the path and query of the request line, byte for byte, and five header fields of ours.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from ..secret import AwsKeys

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(slots=True)
class Scope:
    """Where a signature is good; Bedrock's runtime and control plane both sign as the service ``bedrock``."""

    region: str
    service: str


@dataclass(slots=True)
class Signable:
    """One request as it goes on the wire."""

    method: str
    host: str
    target: str
    content_type: bytes
    payload_sha256: str


def signature_fields(request: Signable, scope: Scope, keys: AwsKeys, *, when: float) -> list[bytes]:
    """Return the lines that sign a request at a Unix time; Host and Content-Type are signed, and are there already."""
    stamp = _stamp(int(when))
    ours = {"x-amz-content-sha256": request.payload_sha256, "x-amz-date": stamp}
    if keys.session_token is not None:
        ours["x-amz-security-token"] = keys.session_token.reveal().decode("ascii")
    signed = {"host": request.host, **ours}
    if request.content_type:
        signed["content-type"] = " ".join(request.content_type.decode("latin-1").split())
    names = ";".join(sorted(signed))
    path, _mark, query = request.target.partition("?")
    canonical = "\n".join(
        [
            request.method,
            canonical_path(path),
            canonical_query(query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            request.payload_sha256,
        ]
    )
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    text = "\n".join([_ALGORITHM, stamp, place, sha256(canonical.encode("latin-1")).hexdigest()])
    key = _signing_key(keys.secret_access_key.reveal(), stamp[:8], scope.region, scope.service)
    ours["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{place}, SignedHeaders={names}, "
        f"Signature={hmac.digest(key, text.encode('ascii'), 'sha256').hex()}"
    )
    return [f"{name}: {value}".encode("ascii") for name, value in ours.items()]


@lru_cache(maxsize=256)
def canonical_path(path: str) -> str:
    """Encode the path of the request line once more, after taking out empty and dot segments as botocore does."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    inner = "/".join(segments)
    slash = "/" if inner and path.endswith("/") else ""
    return quote(f"/{inner}{slash}", safe="/~", encoding="latin-1")


def canonical_query(query: str) -> str:
    """Sort the pairs of a query; their bytes stay."""
    if not query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in sorted((name, value) for name, _equals, value in pairs))


@lru_cache(maxsize=16)
def _signing_key(secret: bytes, day: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("ascii"), "sha256")
    return key


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
