# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that goes upstream: no credential of the client in it, exactly one of ours, the framing ours alone."""

from __future__ import annotations

import pytest
from credential_proxy.decision import Forward
from credential_proxy.grammar import connection_options
from credential_proxy.injection import may_pass, upstream_head
from credential_proxy.request import RequestHead
from credential_proxy.secret import Secret
from credential_proxy.settings import Route

KEY = b"sk-ant-real-0123456789"


def write(
    *fields: tuple[bytes, bytes], port: int = 443, method: str = "POST", auth: str = "x-api-key", package: bool = False
) -> list[bytes]:
    """Return the lines of the upstream's head."""
    route = Route("r", "anthropic", "/", "api.test", port, "key", None, None, auth=auth)
    head = RequestHead(method, "/prefix/v1/messages", fields, 7, False, connection_options(fields, dict(fields)))
    forward = Forward(route, "/v1/messages", accept=b"text/page" if package else b"", digest=package)
    raw = upstream_head(head, forward, Secret(KEY), length=7, payload_sha256="", when=0.0)
    assert raw.endswith(b"\r\n\r\n")
    return raw[:-4].split(b"\r\n")


def test_whole_head() -> None:
    assert write(
        (b"host", b"evil.test"), (b"anthropic-version", b"2023-06-01"), (b"content-type", b"application/json")
    ) == [
        b"POST /v1/messages HTTP/1.1",
        b"host: api.test",
        b"anthropic-version: 2023-06-01",
        b"content-type: application/json",
        b"accept-encoding: identity",
        b"content-length: 7",
        b"x-api-key: " + KEY,
    ]


@pytest.mark.parametrize(
    "name",
    [
        *(b"authorization", b"x-api-key", b"proxy-authorization", b"cookie", b"x-amz-security-token", b"x-amz-date"),
        *(
            b"anthropic-workspace-id",
            b"api-key",
            b"x-goog-api-key",
            b"x-auth-token",
            b"x-access-token",
            b"x-client-secret",
        ),
        *(
            b"host",
            b"content-length",
            b"transfer-encoding",
            b"connection",
            b"keep-alive",
            b"te",
            b"trailer",
            b"upgrade",
        ),
        *(
            b"http2-settings",
            b"expect",
            b"accept-encoding",
            b"forwarded",
            b"x-forwarded-for",
            b"x-forwarded-host",
            b"via",
        ),
        *(b"x-http-method-override", b"x-method-override", b"x-original-url", b"x-rewrite-url", b"x-real-ip"),
    ],
)
def test_never_passes(name: bytes) -> None:
    assert not may_pass(name)
    lines = write((name, b"client"), (name, b"client-again"))
    assert not any(b"client" in line for line in lines)
    assert sum(line.startswith(b"x-api-key:") for line in lines) == 1


@pytest.mark.parametrize(
    "name",
    [
        *(
            b"anthropic-version",
            b"anthropic-beta",
            b"anthropic-dangerous-direct-browser-access",
            b"content-type",
            b"accept",
        ),
        *(b"user-agent", b"x-app", b"x-stainless-retry-count", b"x-claude-code-session-id", b"content-encoding"),
    ],
)
def test_passes(name: bytes) -> None:
    assert name + b": v" in write((name, b"v"))


def test_connection_options_are_taken_out_and_framing_stays() -> None:
    lines = write(
        (b"connection", b"x-api-key, Authorization, host, content-length, X-Mine"),
        (b"x-mine", b"1"),
        (b"x-other", b"2"),
    )
    assert lines[1] == b"host: api.test"
    assert lines[-2:] == [b"content-length: 7", b"x-api-key: " + KEY]
    assert b"x-mine: 1" not in lines
    assert b"x-other: 2" in lines


def test_other_port_and_no_body() -> None:
    lines = write(port=8443, method="GET")
    assert lines[1] == b"host: api.test:8443"
    assert not any(line.startswith(b"content-length") for line in lines)


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        ("bearer", b"authorization: Bearer " + KEY),
        ("basic", b"authorization: Basic c2stYW50LXJlYWwtMDEyMzQ1Njc4OQ=="),
    ],
)
def test_other_ways_to_send_it(auth: str, line: bytes) -> None:
    lines = write((b"authorization", b"Bearer of-the-client"), auth=auth)
    assert [text for text in lines if b"uthorization" in text] == [line]


def test_an_index_hears_of_its_client_only_what_it_needs() -> None:
    lines = write(
        *((b"user-agent", b"pip/1"), (b"accept", b"*/*"), (b"x-note", b"smuggled"), (b"if-none-match", b"e")),
        *((b"range", b"bytes=0-"), (b"if-range", b"e")),
        package=True,
    )
    assert lines[2:-2] == [b"user-agent: pip/1", b"accept: text/page", b"accept-encoding: identity"]
