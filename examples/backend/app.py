# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A back end in one file: a container for each conversation, and its server-sent events relayed to the browser.

Run it on the Docker host, as root, with the collection on Python's path:

    export PYTHONPATH=/usr/share/ansible/collections WORKSPACE_IMAGE=bulkhead/workspace:demo
    uvicorn app:app --uds /run/backend.sock

The program in the container listens on the unix socket /var/run/ws and speaks HTTP. The container has no network: this
socket is its only way to be asked, as the credential proxy is its only way to ask.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

IMAGE = os.environ["WORKSPACE_IMAGE"]
DOCKER_HOST = os.environ.get("DOCKER_HOST", workspaces.DOCKER_HOST)
# Further options of workspace_container, the same for every conversation.
OPTIONS: dict[str, Any] = json.loads(os.environ.get("WORKSPACE_OPTIONS", '{"expires_after": "8h", "idle_after": "1h"}'))
LONGEST_LINE = 1 << 20

app = FastAPI(title="Conversations")


@app.exception_handler(workspaces.WorkspaceError)
async def refused(_request: Request, error: workspaces.WorkspaceError) -> JSONResponse:
    """Every refusal says what, why and what to do."""
    bad = isinstance(error, workspaces.InvalidRequestError)
    return JSONResponse({"error": str(error)}, status_code=422 if bad else 503)


@app.put("/conversations/{conversation_id}")
def start(conversation_id: str) -> dict[str, Any]:
    """Starts a conversation; a second call finds it running. Plain functions run in FastAPI's threads."""
    made = workspaces.create(conversation_id, IMAGE, docker_host=DOCKER_HOST, **OPTIONS)
    return {"changed": made["changed"], "layers": {name: layer["status"] for name, layer in made["layers"].items()}}


@app.get("/conversations")
def conversations() -> list[dict[str, Any]]:
    """Lists the conversations with what they use and which limits they met."""
    return [
        {"conversation_id": one["conversation_id"], "usage": one["usage"], "events": one["events"]}
        for one in workspaces.info(docker_host=DOCKER_HOST)
    ]


@app.delete("/conversations/{conversation_id}")
def end(conversation_id: str) -> dict[str, Any]:
    """Removes a conversation with all its files."""
    gone = workspaces.remove(conversation_id, docker_host=DOCKER_HOST, **_door_only())
    return {"changed": gone["changed"], "actions": gone["actions"]}


@app.get("/conversations/{conversation_id}/events")
async def events(conversation_id: str) -> StreamingResponse:
    """Relays the events of the program in the container, each as soon as it comes."""
    connection = await asyncio.to_thread(workspaces.connect, conversation_id, docker_host=DOCKER_HOST)
    connection.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LONGEST_LINE)
    # HTTP/1.0: the answer ends with the connection, so its body needs no decoding.
    writer.write(b"GET /events HTTP/1.0\r\nHost: workspace\r\nAccept: text/event-stream\r\n\r\n")
    await writer.drain()
    status = (await reader.readline()).split()
    if status[1:2] != [b"200"]:
        writer.close()
        raise workspaces.WorkspaceError(f"cannot read the events of conversation {conversation_id}: answer {status!r}")
    while (await reader.readline()).strip():
        pass
    return StreamingResponse(
        _relay(reader, writer), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    try:
        while chunk := await reader.read(65536):
            yield chunk
    finally:
        # Also when the browser goes away: the program inside then sees its connection closed.
        writer.close()


def _door_only() -> dict[str, Any]:
    """What a removal needs to know of the options: whether there is a proxy to tell."""
    return {name: OPTIONS[name] for name in ("proxy", "proxy_control_socket") if name in OPTIONS}
