# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy in front of the stand-in for the model API, which streams and checks the key as the real one does."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

STAND_IN = Path(__file__).parents[3] / "demo/model_api/model_api.py"
BODY = json.dumps({"model": "m", "max_tokens": 9, "stream": True, "messages": []})


@pytest.fixture
def stand_in(certificates: Any, real_key: str, tmp_path: Path) -> Iterator[int]:
    """Run the stand-in and return its port."""
    key_file = tmp_path / "key"
    key_file.write_text(real_key + "\n")
    command = [sys.executable, str(STAND_IN), "--port", "0", "--cert", str(certificates.cert)]
    command += ["--key", str(certificates.key), "--expect-key-file", str(key_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
        process.terminate()


class UnixConnection(http.client.HTTPConnection):
    """The standard library's client over a unix socket: an HTTP implementation that is not ours."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__("localhost")
        self.sock = sock


def seen(port: int, certificates: Any) -> list[dict[str, Any]]:
    """Ask the stand-in what it saw."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="api.test") as sock,
    ):
        connection = UnixConnection(sock)
        connection.request("GET", "/seen", headers={"Connection": "close"})
        requests: list[dict[str, Any]] = json.load(connection.getresponse())["requests"]
    return requests


def test_streamed_answer(make_proxy: Any, stand_in: int, certificates: Any, real_key: str) -> None:
    proxy = make_proxy(stand_in)
    proxy.start()
    connection = UnixConnection(proxy.connect())
    headers = {"x-api-key": "sk-of-the-client", "Authorization": "Bearer client", "anthropic-version": "2023-06-01"}
    connection.request("POST", "/v1/messages?beta=true", BODY, headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    names, times = [], []
    while line := answer.readline():
        if line.startswith(b"event: "):
            names.append(line[7:].strip().decode())
            times.append(time.monotonic())
    assert names[0] == "message_start"
    assert names[-1] == "message_stop"
    assert names.count("content_block_delta") == 6
    assert times[-1] - times[0] > 0.9, "the events came one by one, as they were sent"
    for method, path, body, status in (
        ("POST", "/v1/messages/count_tokens", BODY, 200),
        ("GET", "/v1/models", None, 200),
        ("POST", "/v1/messages", "{}", 200),
        ("POST", "/v1/files", "{}", 403),
    ):
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert (answer.status, bool(json.load(answer))) == (status, True)
    connection.close()
    requests = seen(stand_in, certificates)
    assert [request["path"] for request in requests] == [
        *("/v1/messages?beta=true", "/v1/messages/count_tokens", "/v1/models", "/v1/messages"),
    ]
    assert [value for name, value in requests[0]["headers"] if name == "x-api-key"] == [real_key]
    assert "client" not in json.dumps(requests)
    assert ["anthropic-version", "2023-06-01"] in requests[0]["headers"]


def test_error_of_the_api_passes_unchanged(make_proxy: Any, stand_in: int) -> None:
    proxy = make_proxy(stand_in)
    (proxy.directory / "credentials" / "anthropic").write_text("sk-ant-revoked-0123456789\n")
    proxy.start()
    connection = UnixConnection(proxy.connect())
    connection.request("POST", "/v1/messages", BODY)
    answer = connection.getresponse()
    assert answer.status == 401
    assert answer.headers["request-id"] == "req_stand_in"
    assert json.load(answer) == {
        "type": "error",
        "error": {"type": "authentication_error", "message": "invalid x-api-key"},
    }
    connection.close()
