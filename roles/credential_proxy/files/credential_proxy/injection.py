# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that goes upstream: whatever of the client could be a credential is taken out, ours goes in once, last."""

from __future__ import annotations

from typing import Final

from .config import Route
from .grammar import Fields, connection_options
from .secret import Secret

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


def may_pass(name: bytes) -> bool:
    """Tell whether a client's field goes upstream; `anthropic-*` and all other harmless names do."""
    return (
        name not in _DROPPED
        and not name.startswith(_DROPPED_PREFIXES)
        and not any(word in name for word in _CREDENTIAL_WORDS)
    )


def upstream_head(*, method: str, target: str, fields: Fields, length: int, route: Route, secret: Secret) -> bytes:
    """Write the request head for the upstream.

    Identity encoding is asked for, so that the answer can be searched for the secret.
    """
    listed = connection_options(fields)
    host = route.host if route.port == 443 else f"{route.host}:{route.port}"
    lines = [
        f"{method} {target} HTTP/1.1".encode("ascii"),
        f"host: {host}".encode("ascii"),
        *(name + b": " + value for name, value in fields if may_pass(name) and name not in listed),
        b"accept-encoding: identity",
        *([b"content-length: %d" % length] if method == "POST" else []),
        b"x-api-key: " + secret.reveal(),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"
