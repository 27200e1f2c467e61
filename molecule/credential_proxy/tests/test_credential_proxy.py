# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy as a service of the host, tried on its own sockets; the stand-in tells what arrived upstream."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from testinfra.host import Host

KEY = "sk-ant-molecule-0123456789abcdef"
UNIT = "credential_proxy.service"
CONTROL = "/run/credential_proxy/control.sock"
AUDIT = "/var/log/credential_proxy/audit.jsonl"

# Runs on the host: connects to a unix socket, sends a request, prints what comes back and when.
CLIENT = """
import json, socket, sys, time
path, raw = json.loads(sys.argv[1])
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(30)
sock.connect(path)
sock.sendall(raw.encode("latin-1"))
pieces, start = [], time.monotonic()
while piece := sock.recv(65536):
    pieces.append([time.monotonic() - start, piece.decode("latin-1")])
print(json.dumps(pieces))
"""
SEEN = """
import http.client, json, ssl
context = ssl.create_default_context(cafile="/opt/model_api/ca.pem")
context.check_hostname = False
connection = http.client.HTTPSConnection("127.0.0.1", 8443, context=context)
connection.request("GET", "/seen")
print(connection.getresponse().read().decode())
"""


def send(host: Host, path: str, raw: str) -> list[tuple[float, str]]:
    """Send a request and return the pieces of the answer with their times."""
    output = host.check_output("python3 -c %s %s", CLIENT, json.dumps([path, raw]))
    return [(float(at), str(piece)) for at, piece in json.loads(output)]


def order(host: Host, **words: str) -> dict[str, Any]:
    """Send an order to the control socket, as root."""
    ((_, line),) = send(host, CONTROL, json.dumps(words) + "\n")
    reply: dict[str, Any] = json.loads(line)
    return reply


def request(method: str, path: str, body: str = "", *fields: str) -> str:
    """Write a request whose answer ends the connection."""
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *length, *fields]
    return "\r\n".join(lines) + "\r\n\r\n" + body


@pytest.fixture
def door(host: Host) -> Iterator[str]:
    """The socket of a conversation."""
    yield str(order(host, op="open", conversation="molecule")["socket"])
    order(host, op="close", conversation="molecule")


def process(host: Host) -> str:
    """Return the main process of the service."""
    return str(host.check_output(f"systemctl show --property MainPID --value {UNIT}"))


def test_the_streamed_answer_comes_event_by_event(host: Host, door: str) -> None:
    body = json.dumps({"model": "m", "max_tokens": 9, "stream": True, "messages": []})
    pieces = send(host, door, request("POST", "/v1/messages?beta=true", body))
    text = "".join(piece for _, piece in pieces)
    assert text.startswith("HTTP/1.1 200 OK\r\n")
    assert re.findall(r"event: (\w+)", text)[0] == "message_start"
    assert re.findall(r"event: (\w+)", text)[-1] == "message_stop"
    times = [at for at, piece in pieces if "event: content_block_delta" in piece]
    assert len(times) >= 4, "events were held back"
    assert times[-1] - times[0] > 0.4


def test_the_upstream_sees_our_key_and_none_of_the_clients(host: Host, door: str) -> None:
    fields = ["X-API-Key: clients-own-key", "Authorization: Bearer clients-own-token", "anthropic-version: 2023-06-01"]
    send(host, door, request("POST", "/v1/messages", "{}", *fields))
    last = json.loads(host.check_output("python3 -c %s", SEEN))["requests"][-1]
    assert [value for name, value in last["headers"] if name == "x-api-key"] == [KEY]
    assert ["host", "api.test"] in last["headers"]
    assert ["anthropic-version", "2023-06-01"] in last["headers"]
    assert "clients-own" not in json.dumps(last)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("POST", "/v1/files", "x", "x-api-key: attackers-key"), 403),
        (request("GET", "/v1/organizations"), 403),
        (request("GET", "http://169.254.169.254/latest/meta-data/"), 400),
        ("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n", 403),
        (request("TRACE", "/v1/messages"), 405),
        ("POST /v1/messages HTTP/1.1\nHost: a\n\n", 400),
    ],
)
def test_forbidden_requests_end_here(host: Host, door: str, raw: str, status: int) -> None:
    before = host.check_output("python3 -c %s", SEEN)
    answer = "".join(piece for _, piece in send(host, door, raw))
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "cannot serve this request: " in answer
    assert host.check_output("python3 -c %s", SEEN) == before


def test_a_restart_brings_the_socket_back_into_the_same_directory(host: Host, door: str) -> None:
    """The directory is what a container has mounted: it must stay the same one."""
    directory = host.check_output("stat --format %%i %s", door.removesuffix("/proxy.sock"))
    before = process(host)
    host.check_output(f"systemctl restart {UNIT}")
    assert process(host) != before
    assert host.check_output("stat --format %%i %s", door.removesuffix("/proxy.sock")) == directory
    assert send(host, door, request("GET", "/v1/models"))[0][1].startswith("HTTP/1.1 200 OK")


def test_the_conversation_of_before_the_reboot_has_its_socket(host: Host) -> None:
    path = "/var/lib/credential_proxy/conversations/survivor/proxy.sock"
    assert send(host, path, request("GET", "/v1/models"))[0][1].startswith("HTTP/1.1 200 OK")
    assert "survivor" in order(host, op="list")["conversations"]


def test_other_users_cannot_use_the_control_socket(host: Host) -> None:
    for user in ("nobody", "credential-proxy"):
        attempt = ["runuser", "-u", user, "--", "python3", "-c", CLIENT, json.dumps([CONTROL, '{"op": "list"}\n'])]
        run = host.run(" ".join(["%s"] * len(attempt)), *attempt)
        assert "conversations" not in run.stdout
        assert "PermissionError" in run.stderr or "only root" in run.stdout


def test_the_audit_log_is_chained_and_holds_no_secret(host: Host, door: str) -> None:
    send(host, door, request("POST", "/v1/messages", '{"a": "prompt text"}', "x-api-key: clients-own-key"))
    raw = host.check_output(f"cat $(ls -tr {AUDIT}*)").encode("ascii") + b"\n"
    prev, number = "0" * 64, 0
    for line in raw.splitlines(keepends=True):
        record = json.loads(line)
        assert (record["prev"], record["seq"]) == (prev, number + 1)
        prev, number = hashlib.sha256(line).hexdigest(), record["seq"]
    records = [json.loads(line) for line in raw.splitlines()]
    served = [record for record in records if record["event"] == "end" and record["workspace"] == "molecule"]
    assert served[-1] | {"verdict": "served", "status": 200, "bytes_in": 20} == served[-1]
    for secret in (KEY, "clients-own-key", "prompt text"):
        assert secret.encode() not in raw


def test_rotation_goes_on_in_a_new_file(host: Host, door: str) -> None:
    host.check_output("logrotate --force /etc/logrotate.d/credential_proxy")
    send(host, door, request("GET", "/v1/models"))
    old = host.check_output(f"ls -t {AUDIT}-* | head -n 1")
    last = host.check_output("tail -n 1 %s", old).encode() + b"\n"
    first = json.loads(host.check_output(f"head -n 1 {AUDIT}"))
    assert first["prev"] == hashlib.sha256(last).hexdigest()


def test_the_key_is_nowhere(host: Host) -> None:
    """Not even on the disk: its file is encrypted, and the service had it from systemd when the host started."""
    pid = process(host)
    for file in ("environ", "cmdline"):
        assert KEY not in host.check_output(f"tr '\\0' ' ' < /proc/{pid}/{file}")
    assert KEY not in host.check_output(f"systemctl show {UNIT}")
    assert KEY not in host.check_output("journalctl --no-pager")
    assert host.check_output("grep -rlF %s /etc /usr/local /var/lib/credential_proxy /var/log || true", KEY) == ""
    stored = host.file("/etc/credential_proxy/credentials/anthropic.cred")
    assert (stored.user, stored.mode) == ("root", 0o600)
    assert host.check_output(f"systemd-creds decrypt --name=anthropic {stored.path} -") == KEY


def test_the_index_is_the_one_that_pip_on_the_controller_names(host: Host) -> None:
    config = json.loads(host.file("/etc/credential_proxy/config.json").content_string)
    routes = {route["type"]: route for route in config["routes"]}
    told = {name: routes["pypi"][name] for name in ("host", "port", "base")}
    assert told == {"host": "index.test", "port": 443, "base": "/repository/python"}
    assert (routes["pypi_files"]["host"], routes["pypi_files"]["port"]) == ("index.test", 443)


def test_the_kernel_confines_the_service(host: Host) -> None:
    status = dict(
        line.split(":", 1)
        for line in host.check_output(f"cat /proc/{process(host)}/status").splitlines()
        if ":" in line
    )
    assert status["Uid"].split()[0] != "0"
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert {int(status[name].strip(), 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}


def test_systemd_finds_little_exposure(host: Host) -> None:
    report = host.check_output(f"systemd-analyze security --no-pager {UNIT}")
    match = re.search(r"exposure level for \S+: ([0-9.]+)", report)
    assert match
    assert float(match[1]) <= 1.5
