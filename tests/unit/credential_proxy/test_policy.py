# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of allowed requests, and the tricks with which a path could be made to mean another one."""

from __future__ import annotations

import pytest
from credential_proxy.config import Route
from credential_proxy.policy import Forward, LocalAnswer, decide
from credential_proxy.refusals import Refusal
from credential_proxy.request import RequestHead


def route(name: str, prefix: str) -> Route:
    """Make a route."""
    return Route(
        name=name,
        kind="anthropic",
        prefix=prefix,
        host="api.test",
        port=443,
        credential="key",
        address=None,
        ca_file=None,
    )


MAIN = route("main", "/")
TEAM = route("team", "/team/b/")


def head(method: str, target: str) -> RequestHead:
    """Make a parsed head."""
    return RequestHead(method=method, target=target, fields=(), length=0, wants_continue=False)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages?beta=true"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/v1/messages/count_tokens?beta=true"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models?beta=true"),
    ],
)
def test_allowed(method: str, target: str) -> None:
    assert decide(head(method, target), (MAIN,)) == Forward(MAIN, target)


def test_prefix_is_taken_off_and_the_longest_wins() -> None:
    assert decide(head("POST", "/team/b/v1/messages?beta=true"), (MAIN, TEAM)) == Forward(
        TEAM, "/v1/messages?beta=true"
    )
    assert decide(head("POST", "/v1/messages"), (MAIN, TEAM)) == Forward(MAIN, "/v1/messages")


def test_hello_is_answered_here() -> None:
    assert decide(head("HEAD", "/api/hello"), (MAIN,)) == LocalAnswer(MAIN)


@pytest.mark.parametrize(
    ("method", "target", "rule", "status"),
    [
        ("CONNECT", "api.test:443", "connect", 403),
        ("CONNECT", "/v1/messages", "connect", 403),
        *(
            ("GET", target, "target-form", 400)
            for target in ("http://api.test/v1/models", "*", "api.test:443", "v1/models")
        ),
        *(
            (method, "/v1/messages", "method", 405)
            for method in ("TRACE", "OPTIONS", "DELETE", "PUT", "PATCH", "post", "Post", "PRI", "X", "GET", "HEAD")
        ),
        ("OPTIONS", "*", "method", 405),
        ("POST", "/v1/models", "method", 405),
        *(
            ("POST", target, "path", 403)
            for target in (
                *("/", "/v1", "/v1/", "/v1/files", "/v1/messages/", "/v1/messages/batches", "/v1/organizations/me"),
                *("/v1/messages/../files", "/v1/./messages", "//v1/messages", "/v1//messages", "/v1/messages;x=1"),
                *("/v1/messages%3Fbeta=true", "/v1/%6dessages", "/v1%2fmessages", "/v1\\messages", "/V1/messages"),
                *(
                    "/v1/messages%0d%0aX:y",
                    "/v1/messages%00",
                    "/v1/messages#",
                    "/v1/messages#?beta=true",
                    "/" + "a" * 9000,
                ),
                *("/team/b/v1/files", "/team/b"),
            )
        ),
        *(
            ("POST", f"/v1/messages{query}", "query", 403)
            for query in (
                "?",
                "?beta=true#",
                "?beta=true&",
                "?beta=false",
                "?x-api-key=k",
                "?beta=true&api_key=k",
                "??",
            )
        ),
        ("HEAD", "/api/hello?", "query", 403),
    ],
)
def test_refused(method: str, target: str, rule: str, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        decide(head(method, target), (MAIN, TEAM))
    assert (caught.value.rule, caught.value.status) == (rule, status)


def test_no_routes_means_nothing_is_allowed() -> None:
    with pytest.raises(Refusal) as caught:
        decide(head("POST", "/v1/messages"), ())
    assert caught.value.rule == "path"


def test_refusal_names_the_allowed_methods() -> None:
    with pytest.raises(Refusal) as caught:
        decide(head("DELETE", "/v1/messages"), (MAIN,))
    assert caught.value.allow == "GET, HEAD, POST"
    with pytest.raises(Refusal) as caught:
        decide(head("GET", "/v1/messages"), (MAIN,))
    assert caught.value.allow == "POST"
