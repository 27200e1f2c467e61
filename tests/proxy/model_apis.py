# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for Anthropic's API and Amazon Bedrock: TLS, the real forms of answer, credentials checked.

The model calls a tool once, with a command that the test chooses, and says goodbye when it has the result. Signatures
are checked with botocore.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import json
import ssl
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock
from urllib.parse import unquote

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from proxy_stand import KEY, Certificates

ACCESS_KEY = "AKIA0123456789ABCDEF"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105  (the one of AWS's own examples)
SESSION_TOKEN = "token/0123456789/abcdefghijklmnopqrstuvwxyz"  # noqa: S105
GOODBYE = "The stand-in says goodbye."
USAGE = {"input_tokens": 100, "output_tokens": 20}

Event = dict[str, Any]


def events(request: dict[str, Any], model: str, command: str) -> Iterator[Event]:
    """Yield one answer in Anthropic's events: a tool call first, words when its result is there."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}}
    tools = {tool.get("name") for tool in request.get("tools", [])}
    if "Bash" in tools and '"tool_result"' not in json.dumps(request["messages"]):
        block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
        arguments = json.dumps({"command": command, "description": "Leave a proof"})
        delta: Event = {"type": "input_json_delta", "partial_json": arguments}
        reason = "tool_use"
    else:
        block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": GOODBYE}
        reason = "end_turn"
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": USAGE}
    yield {"type": "message_stop"}


def whole(model: str) -> Event:
    """Return an answer that is not streamed."""
    content = [{"type": "text", "text": GOODBYE}]
    end = {"stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content, **end}


def converse_events() -> Iterator[tuple[str, Event]]:
    """Yield one answer in Bedrock's own events."""
    yield "messageStart", {"role": "assistant"}
    yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": GOODBYE}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": "end_turn"}
    usage = {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}
    yield "metadata", {"usage": usage, "metrics": {"latencyMs": 1}}


def frame(event: str, payload: bytes) -> bytes:
    """Write one message of an AWS event stream."""
    headers = b""
    for name, value in ((":event-type", event), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", binascii.crc32(message))


class ModelApis(ThreadingHTTPServer):
    """Both APIs on one port; remembers what was asked and whether the credential was right."""

    daemon_threads = True

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.cert, certificates.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self.server_address[1]
        self.command = "true"
        self.asked: list[str] = []
        self.refused: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelApis

    def do_GET(self) -> None:
        """Lists of models and profiles."""
        if self._admitted(b""):
            entry = {"modelId": "anthropic.claude-stand-in", "modelName": "Stand-in"}
            self._answer(200, {"data": [], "inferenceProfileSummaries": [], "modelSummaries": [entry]})

    def do_POST(self) -> None:
        """Answer a prompt in the form that its path asks for."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._admitted(body):
            return
        request = json.loads(body)
        path = self.path.partition("?")[0]
        if path.startswith("/model/"):
            _, _, model, call = path.split("/")
            self._bedrock(request, unquote(model), call)
        elif path.endswith("count_tokens"):
            self._answer(200, {"input_tokens": 100})
        elif request.get("stream"):
            answer = events(request, request["model"], self.server.command)
            pieces = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in answer)
            self._stream("text/event-stream", pieces)
        else:
            self._answer(200, whole(request["model"]))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the base class's)
        """Stay quiet."""

    def _bedrock(self, request: dict[str, Any], model: str, call: str) -> None:
        kind = "application/vnd.amazon.eventstream"
        if call == "converse-stream":
            answer = converse_events()
            self._stream(kind, (frame(name, json.dumps(event).encode()) for name, event in answer))
        elif call == "invoke-with-response-stream":
            encoded = (
                json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
                for event in events(request, model, self.server.command)
            )
            self._stream(kind, (frame("chunk", piece) for piece in encoded))
        else:
            self._answer(200, whole(model))

    def _admitted(self, body: bytes) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.headers["host"].startswith("bedrock"):
            right = self.headers.get_all("authorization") == [self._signature(body)]
        else:
            right = self.headers.get_all("x-api-key") == [KEY] and "authorization" not in self.headers
        if not right:
            self.server.refused.append(f"{self.command} {self.path} {self.headers}")
            self._answer(403, {"message": "the credential is wrong"})
        return right

    def _signature(self, body: bytes) -> str:
        """Sign what arrived with botocore."""
        names = self.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        signed = {name: self.headers[name] for name in names if name not in ("x-amz-date", "x-amz-security-token")}
        assert signed["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
        stamp = datetime.datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        theirs = AWSRequest(
            method=self.command, url=f"https://{self.headers['host']}{self.path}", data=body, headers=signed
        )
        region = self.headers["host"].split(".")[1]
        with mock.patch.object(auth, "get_current_datetime", return_value=stamp):
            auth.SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN), "bedrock", region).add_auth(theirs)
        return str(theirs.headers["Authorization"])

    def _answer(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, kind: str, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
