# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The one door there is: what the credential proxy must not open. The control is a proxy that opens everything."""

from __future__ import annotations

import os

from ..probe import Figures, Impossible, Probe, Surroundings
from ..toolkit import REFUSED, SUCCEEDED, UNSUPPORTED, Outcome, any_of


def ask_proxy(figures: Figures) -> Outcome:
    """Sends raw requests to the proxy's socket; a request succeeds if the marker of its target comes back."""
    import socket

    if not os.path.exists("/run/proxy/proxy.sock"):
        return UNSUPPORTED, "there is no proxy"
    outcomes = []
    for title, request, marker in figures["requests"]:
        answer = b""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(4)
                connection.connect("/run/proxy/proxy.sock")
                connection.sendall(request.encode())
                while len(answer) < 65536 and (chunk := connection.recv(4096)):
                    answer += chunk
                    if marker.encode() in answer:
                        break
        except OSError as error:
            answer += f" ({error})".encode()
        said = answer.partition(b"\r\n")[0][:60].decode(errors="replace") or "nothing"
        outcomes.append((SUCCEEDED if marker.encode() in answer else REFUSED, f"{title}: {said}"))
    return any_of(outcomes)


def _get(host: str, port: int, path: str = "/") -> str:
    return f"GET http://{host}:{port}{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"


def _tunnel(host: str, port: int) -> str:
    return (
        f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
        f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )


def _both(host: str, port: int, marker: str) -> list[tuple[str, str, str]]:
    return [
        (f"GET http://{host}:{port}/", _get(host, port), marker),
        (f"CONNECT {host}:{port}", _tunnel(host, port), marker),
    ]


def _requests(make: object) -> object:
    def figures(surroundings: Surroundings) -> Figures | Impossible:
        if not surroundings.proxy:
            return Impossible(reason="the container has no credential proxy")
        return {"requests": make(surroundings)}  # type: ignore[operator]

    return figures


def _metadata(surroundings: Surroundings) -> list[tuple[str, str, str]]:
    # Each spelling leads to the same address; the stand-in proxy resolves like the C library.
    return [
        request
        for host in ("169.254.169.254", "0xa9fea9fe", "2852039166", "[::ffff:169.254.169.254]")
        for request in _both(host, 80, f"stand-in {surroundings.token}")
    ]


def _outside(surroundings: Surroundings) -> list[tuple[str, str, str]]:
    return _both(*surroundings.tcp, f"stand-in {surroundings.token}")


def _private_name(surroundings: Surroundings) -> list[tuple[str, str, str]]:
    port = surroundings.tcp[1]
    return [
        request
        for host in ("localhost", "127.1", "[::ffff:127.0.0.1]", "0")
        for request in _both(host, port, f"stand-in {surroundings.token}")
    ]


def _other_host_header(surroundings: Surroundings) -> list[tuple[str, str, str]]:
    host, port = surroundings.tcp
    request = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    return [("a Host header of another host", request, f"stand-in {surroundings.token}")]


def _leaks(_surroundings: Surroundings) -> list[tuple[str, str, str]]:
    requests = ("GET / HTTP/1.1", "TRACE / HTTP/1.1", "GET /v1/models HTTP/1.1")
    # What every key of the model API begins with; the real one is not brought in to compare.
    return [(line, f"{line}\r\nHost: proxy\r\nConnection: close\r\n\r\n", "sk-ant-") for line in requests]


def _probe(probe_id: str, title: str, make: object, *references: str, layer: str = "L4") -> Probe:
    return Probe(
        id=probe_id,
        layer=layer,
        title=title,
        act=ask_proxy,
        figures=_requests(make),  # type: ignore[arg-type]
        defences=("proxy_policy",),
        references=references,
        timeout=40,
    )


_TABLE = "security design, table of destructive commands"

PROBES = (
    _probe("proxy_metadata", "Reach the metadata service through the proxy", _metadata, f"{_TABLE}: metadata service"),
    _probe(
        "proxy_outside",
        "Reach a host outside the allowlist through the proxy",
        _outside,
        f"{_TABLE}: pip install of a malicious package",
    ),
    _probe(
        "proxy_private_name",
        "Reach the host by a name that resolves to a private address",
        _private_name,
        "security design: domain allowlist",
    ),
    _probe(
        "proxy_host_header",
        "Lead the proxy to another host by a header",
        _other_host_header,
        "security design: domain allowlist",
    ),
    _probe(
        "proxy_answer",
        "Find the credential in the proxy's answers",
        _leaks,
        "security design: credentials stay outside",
        layer="L6",
    ),
)
