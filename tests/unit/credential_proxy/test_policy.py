# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of allowed requests, and the tricks with which a path could be made to mean another one."""

from __future__ import annotations

import pytest
from credential_proxy.decision import Forward, LocalAnswer, Tunnel
from credential_proxy.policy import Gate, decide
from credential_proxy.refusals import Refusal
from credential_proxy.request import RequestHead
from credential_proxy.settings import Policy, Route, TunnelHost


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


def gate(*routes: Route, policy: Policy | None = None) -> Gate:
    """Make what a conversation may do."""
    return Gate("demo", routes, (TunnelHost("git.test", None),), policy or Policy())


def head(method: str, target: str) -> RequestHead:
    """Make a parsed head."""
    return RequestHead(method=method, target=target, fields=(), length=0, wants_continue=False)


def sent(method: str, target: str, *routes: Route) -> tuple[Route, str]:
    """Return where a request goes and what it asks for there."""
    decision = decide(head(method, target), gate(*routes))
    assert isinstance(decision, Forward)
    return decision.route, decision.target


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages?beta=true"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/v1/messages/count_tokens?beta=true"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models?beta=true"),
        ("GET", "/v1/models?limit=20&after_id=claude-opus-5.5&beta=true"),
        ("GET", "/v1/models/claude-opus-5-5"),
        ("GET", "/v1/models/claude-opus-5-5?beta=true"),
    ],
)
def test_allowed(method: str, target: str) -> None:
    assert sent(method, target, MAIN) == (MAIN, target)


def test_prefix_is_taken_off_and_the_longest_wins() -> None:
    assert sent("POST", "/team/b/v1/messages?beta=true", MAIN, TEAM) == (TEAM, "/v1/messages?beta=true")
    assert sent("POST", "/v1/messages", MAIN, TEAM) == (MAIN, "/v1/messages")


def test_hello_is_answered_here() -> None:
    assert decide(head("HEAD", "/api/hello"), gate(MAIN)) == LocalAnswer(MAIN)


@pytest.mark.parametrize(
    ("method", "target", "rule", "status"),
    [
        ("CONNECT", "api.test:443", "connect", 403),
        ("CONNECT", "/v1/messages", "connect-target", 400),
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
        ("POST", "/v1/models/m", "method", 405),
        ("GET", "/v1/models/..", "path", 403),
        ("GET", "/v1/models/m/x", "path", 403),
        ("GET", "/v1/models/m?limit=1", "query", 403),
        ("GET", "/v1/models?limit=1&x=1", "query", 403),
        ("GET", "/v1/models?limit=%20", "query", 403),
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
        decide(head(method, target), gate(MAIN, TEAM))
    assert (caught.value.rule, caught.value.status) == (rule, status)


def test_no_routes_means_nothing_is_allowed() -> None:
    with pytest.raises(Refusal) as caught:
        decide(head("POST", "/v1/messages"), gate())
    assert caught.value.rule == "path"


def test_refusal_names_the_allowed_methods() -> None:
    with pytest.raises(Refusal) as caught:
        decide(head("DELETE", "/v1/messages"), gate(MAIN))
    assert caught.value.allow == "GET, HEAD, POST"
    with pytest.raises(Refusal) as caught:
        decide(head("GET", "/v1/messages"), gate(MAIN))
    assert caught.value.allow == "POST"


@pytest.mark.parametrize("target", ["git.test:443", "GIT.test:443", "git.test.:443", "Git.Test.:443"])
def test_tunnel_to_a_listed_host(target: str) -> None:
    assert decide(head("CONNECT", target), gate()) == Tunnel(TunnelHost("git.test", None))


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        *((f"git.test{port}", "connect-port") for port in (":80", ":0", ":22", ":4430", ":8443", ":65536", ":0443")),
        *(
            (f"git.test{port}", "connect-target")
            for port in ("", ":", ":443x", ":+443", ":443:443", " :443", ":000443")
        ),
        *(
            (f"{host}:443", "connect")
            for host in (
                *("api.test", "API.test", "api.test.", "git.test.evil.com", "evilgit.test", "xn--gt-fka.test", "test"),
                *("127.1", "127.0.0.1", "0x7f.1", "2130706433", "0177.0.0.1", "169.254.169.254", "git.test.."),
            )
        ),
        *(
            (f"{host}:443", "connect-target")
            for host in (
                *("git.test@evil.com", "evil.com#git.test", "evil.com%00.git.test", "[::1]", "[git.test]", "git_.test"),
                *("[::ffff:169.254.169.254]", "[fe80::1%25eth0]", "[64:ff9b::a9fe:a9fe]", "git.test/x", "git%2etest"),
                *("evil.com:443.git.test", "", "https://git.test", "g\uff49t.test", "git\uff0etest"),
            )
        ),
    ],
)
def test_no_tunnel_elsewhere(target: str, rule: str) -> None:
    with pytest.raises(Refusal) as caught:
        decide(head("CONNECT", target), gate(MAIN))
    assert caught.value.rule == rule


def test_tunnels_and_routes_of_one_conversation() -> None:
    only_team = Policy(routes=frozenset({"team"}))
    for method, target in (("POST", "/v1/messages"), ("CONNECT", "git.test:443")):
        with pytest.raises(Refusal) as caught:
            decide(head(method, target), gate(MAIN, TEAM, policy=only_team))
        assert caught.value.rule in ("route", "connect")
    assert isinstance(decide(head("POST", "/team/b/v1/messages"), gate(MAIN, TEAM, policy=only_team)), Forward)
    tunnels = Policy(routes=frozenset({"tunnels"}))
    assert isinstance(decide(head("CONNECT", "git.test:443"), gate(MAIN, policy=tunnels)), Tunnel)
