# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The back end of examples/backend, really run: a browser's requests, a real container, events from its unix socket."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces

pytestmark = pytest.mark.usefixtures("clean")
ROOT = Path(__file__).resolve().parents[2]
IMAGE = "bulkhead/workspace:demo"

# The agent's program: HTTP on a unix socket, an event every 300 ms, three in all.
AGENT = """
import os, socket, time
listening = socket.socket(socket.AF_UNIX)
listening.bind("/var/run/ws")
listening.listen()
while True:
    connection, _ = listening.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n")
    for number in range(3):
        connection.sendall(f"event: step\\ndata: {number} of uid {os.getuid()}\\n\\n".encode())
        time.sleep(0.3)
    connection.close()
"""


@pytest.fixture
def backend(options: dict[str, Any]) -> Iterator[http.client.HTTPConnection]:
    """The example under uvicorn on a free port of the loopback."""
    settings = {name: value for name, value in options.items() if name != "docker_host"}
    served = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "0"],
        cwd=ROOT / "examples" / "backend",
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / ".ansible/collections"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "WORKSPACE_IMAGE": IMAGE,
            "DOCKER_HOST": options["docker_host"],
            "WORKSPACE_OPTIONS": json.dumps({**settings, "command": ["python3", "-c", AGENT]}),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert served.stderr is not None
        said = []
        for line in served.stderr:
            said.append(line)
            if "running on http://127.0.0.1:" in line:
                break
        else:
            pytest.fail("".join(said))
        port = int(said[-1].split("http://127.0.0.1:")[1].split()[0])
        yield http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    finally:
        served.terminate()
        served.communicate()


def ask(backend: http.client.HTTPConnection, method: str, path: str) -> tuple[int, Any]:
    backend.request(method, path)
    answer = backend.getresponse()
    return answer.status, json.loads(answer.read())


def test_events_come_out_of_the_container_as_they_happen(backend: http.client.HTTPConnection) -> None:
    status, told = ask(backend, "PUT", "/conversations/chat")
    assert (status, told["changed"], told["layers"]["L4"]) == (200, True, "enforced")
    assert ask(backend, "PUT", "/conversations/chat")[1]["changed"] is False

    backend.request("GET", "/conversations/chat/events")
    answer = backend.getresponse()
    assert (answer.status, answer.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
    came = []
    for line in answer:
        if line.startswith(b"data: "):
            came.append((line.strip().decode(), time.monotonic()))
    assert [text for text, _ in came] == [f"data: {number} of uid 1000" for number in range(3)]
    # Relayed one by one, not kept until the end.
    assert came[-1][1] - came[0][1] > 0.4

    assert [one["conversation_id"] for one in ask(backend, "GET", "/conversations")[1]] == ["chat"]
    assert ask(backend, "DELETE", "/conversations/chat")[1]["changed"] is True
    status, refused = ask(backend, "GET", "/conversations/chat/events")
    assert (status, refused["error"]) == (
        503,
        "cannot connect to conversation chat: it does not run; call create() first",
    )


def test_bad_names_are_the_browser_s_fault(backend: http.client.HTTPConnection) -> None:
    status, told = ask(backend, "PUT", "/conversations/-rm")
    assert status == 422
    assert "is no conversation identifier" in told["error"]


def test_a_link_in_the_container_leads_nowhere(options: dict[str, Any], client: docker.DockerClient) -> None:
    """Code inside replaces its socket by a link to the daemon's own: following it would be the end of the walls."""
    daemon_socket = options["docker_host"].removeprefix("unix://")
    workspaces.create("sly", IMAGE, command=["sleep", "600"], **options)
    container = client.containers.get("ws-sly")
    container.exec_run(["ln", "-s", daemon_socket, "/run/ws"])
    container.exec_run(["ln", "-s", str(Path(daemon_socket).parent), "/run/links"])
    container.exec_run(["touch", "/run/file"])
    assert container.exec_run(["readlink", "/run/ws"]).output == f"{daemon_socket}\n".encode()
    for path in ("/var/run/ws", "/run/links/docker.sock", "/run/file", "/run/../run/ws", "run/ws", "/run/none"):
        with pytest.raises(workspaces.WorkspaceError, match="cannot connect to"):
            workspaces.connect("sly", path, docker_host=options["docker_host"])
