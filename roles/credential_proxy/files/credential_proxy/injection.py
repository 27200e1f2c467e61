# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that goes upstream: whatever of the client could be a credential is taken out, ours goes in once, last."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Final

from .aws.sigv4 import Scope, Signable, signature_fields
from .decision import Forward
from .grammar import Fields
from .request import RequestHead
from .secret import AwsKeys, Credential, Secret
from .settings import Route

# Framing, hop-by-hop and routing fields, which are ours to write; fields with which a client claims another origin.
_DROPPED: Final = frozenset(
    b"host content-length transfer-encoding connection keep-alive te trailer upgrade http2-settings expect "
    b"accept-encoding cookie cookie2 forwarded via x-real-ip client-ip true-client-ip anthropic-workspace-id".split()
)
_DROPPED_PREFIXES: Final = (
    *(b"proxy-", b"x-amz-", b"x-forwarded-", b"cf-"),
    *(b"x-http-method", b"x-method-override", b"x-original-", b"x-rewrite-"),
)
_CREDENTIAL_WORDS: Final = (b"auth", b"api-key", b"apikey", b"token", b"secret", b"credential", b"password")
_IDENTITY: Final = b"accept-encoding: identity\r\n"
# What a package index needs to know of its client; anything more would be a way to say something to it. No part is ever
# asked for: neither could a part of a page be rewritten, nor would the hash of a part be the file's.
_INDEX_FIELDS: Final = frozenset((b"accept", b"user-agent"))


def may_pass(name: bytes) -> bool:
    """Tell whether a client's field goes upstream; `anthropic-*` and all other harmless names do."""
    return (
        name not in _DROPPED
        and not name.startswith(_DROPPED_PREFIXES)
        and not any(word in name for word in _CREDENTIAL_WORDS)
    )


def upstream_head(
    head: RequestHead, forward: Forward, credential: Credential | None, *, length: int, payload_sha256: str, when: float
) -> bytes:
    """Write the request head for the upstream; ``length`` is the body's in bytes, ``when`` a Unix time.

    Identity encoding is asked for, so that the answer can be searched for the secret.
    """
    before = (_known_start if head.short else _start)(head, forward, length)
    if isinstance(credential, Secret):
        return before + _plain_credential(forward.route, credential)
    if credential is None:
        return before + b"\r\n"
    return before + _signature(head, forward, credential, payload_sha256, when)


def _start(head: RequestHead, forward: Forward, length: int) -> bytes:
    """Write everything but the credential."""
    fields = _index_fields(head.fields, forward) if forward.digest or forward.transform is not None else head.fields
    passing = [field for field in fields if field[0] not in head.options] if head.options else fields
    line = f"{head.method} {forward.target} HTTP/1.1\r\nhost: {forward.route.authority}\r\n".encode("ascii")
    framing = b"content-length: %d\r\n" % length if head.method == "POST" else b""
    return b"".join([line, *map(_known_passing if head.short else _passing, passing), _IDENTITY, framing])


def _passing(field: tuple[bytes, bytes]) -> bytes:
    """Return a client's field as a line for the upstream, which may be nothing."""
    return b"%b: %b\r\n" % field if may_pass(field[0]) else b""


_known_start = lru_cache(maxsize=256)(_start)
_known_passing = lru_cache(maxsize=512)(_passing)


def _index_fields(fields: Fields, forward: Forward) -> Fields:
    """Keep what an index needs; a page is always asked for anew, because its rewritten form has a life of its own."""
    kept = tuple(field for field in fields if field[0] in _INDEX_FIELDS)
    if not forward.accept:
        return kept
    return (*(field for field in kept if field[0] != b"accept"), (b"accept", forward.accept))


def _signature(head: RequestHead, forward: Forward, keys: AwsKeys, payload_sha256: str, when: float) -> bytes:
    route = forward.route
    content_type = next((value for name, value in head.fields if name == b"content-type"), b"")
    request = Signable(head.method, route.authority, forward.target, content_type, payload_sha256)
    lines = signature_fields(request, Scope(route.region, "bedrock"), keys, when=when)
    return b"".join([line + b"\r\n" for line in lines]) + b"\r\n"


def _plain_credential(route: Route, secret: Secret) -> bytes:
    if route.auth == "x-api-key":
        return b"x-api-key: %b\r\n\r\n" % secret.reveal()
    if route.auth == "basic":
        return b"authorization: Basic %b\r\n\r\n" % base64.b64encode(secret.reveal())
    return b"authorization: Bearer %b\r\n\r\n" % secret.reveal()
