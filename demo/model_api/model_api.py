# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local stand-in for the model API: TLS, the real event format, a key check, and a memory of the headers it saw.

It answers POST /v1/messages (streamed or whole), POST /v1/messages/count_tokens and GET /v1/models like the API, and
GET /seen with the requests so far, so that a test can prove which credentials arrived. Nothing else exists here.
"""

from __future__ import annotations

import argparse
import hmac
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODEL = "claude-stand-in"
WORDS = ("Hello ", "from ", "the ", "stand-in ", "model ", "API.")
PAUSE_SECONDS = 0.15
REMEMBERED = 100


def events(message_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield one streamed answer, event by event, as the API names and orders them."""
    message: dict[str, Any] = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 1},
    }
    yield "message_start", {"message": message}
    yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
    yield "ping", {}
    for word in WORDS:
        yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": word}}
    yield "content_block_stop", {"index": 0}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield "message_delta", {"delta": delta, "usage": {"output_tokens": len(WORDS)}}
    yield "message_stop", {}


class ModelServer(ThreadingHTTPServer):
    """Holds the expected key and the requests seen."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], key: str) -> None:
        """Listen; the caller wraps the socket in TLS."""
        super().__init__(address, Handler)
        self.key = key
        self.seen: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  (the base class calls it so)
        """Say in one line that a client went away or failed the handshake."""
        print(f"{client_address[0]}: {sys.exc_info()[1]}", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: ModelServer

    def do_GET(self) -> None:
        """List the models, or the requests seen so far."""
        if self.path == "/seen":
            with self.server.lock:
                self._answer(200, {"requests": self.server.seen})
            return
        if self._admitted():
            if self.path.partition("?")[0] == "/v1/models":
                model = {"type": "model", "id": MODEL, "display_name": "Stand-in", "created_at": "2026-01-01T00:00:00Z"}
                self._answer(200, {"data": [model], "has_more": False, "first_id": MODEL, "last_id": MODEL})
            else:
                self._refuse(404, "not_found_error", "no such path")

    def do_POST(self) -> None:
        """Answer a message, or count its tokens."""
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if not self._admitted(len(body)):
            return
        path = self.path.partition("?")[0]
        try:
            request = json.loads(body)
        except ValueError:
            self._refuse(400, "invalid_request_error", "the body is not JSON")
            return
        if path == "/v1/messages/count_tokens":
            self._answer(200, {"input_tokens": 12})
        elif path != "/v1/messages":
            self._refuse(404, "not_found_error", "no such path")
        elif isinstance(request, dict) and request.get("stream"):
            self._stream()
        else:
            self._answer(200, self._whole_message())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the base class's)
        """Keep the output quiet; /seen tells everything."""

    def _admitted(self, body_bytes: int = 0) -> bool:
        """Remember the request and check its key."""
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        with self.server.lock:
            entry = {"method": self.command, "path": self.path, "headers": headers, "body_bytes": body_bytes}
            self.server.seen.append(entry)
            del self.server.seen[:-REMEMBERED]
        if hmac.compare_digest(self.headers.get("x-api-key", "").encode(), self.server.key.encode()):
            return True
        self._refuse(401, "authentication_error", "invalid x-api-key")
        return False

    def _whole_message(self) -> dict[str, Any]:
        _, start = next(events("msg_stand_in"))
        message: dict[str, Any] = start["message"]
        return {
            **message,
            "content": [{"type": "text", "text": "".join(WORDS)}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 12, "output_tokens": len(WORDS)},
        }

    def _stream(self) -> None:
        """Send the events one by one, with the pauses a model makes."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for name, data in events("msg_stand_in"):
            self._chunk(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode())
            time.sleep(PAUSE_SECONDS)
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _refuse(self, status: int, kind: str, message: str) -> None:
        self._answer(status, {"type": "error", "error": {"type": kind, "message": message}})

    def _answer(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("request-id", "req_stand_in")
        self.end_headers()
        self.wfile.write(body)


def start(*, host: str, port: int, cert: Path, key: Path, expected_key: str) -> ModelServer:
    """Make the server and bind it; ``serve_forever`` is the caller's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    server = ModelServer((host, port), expected_key)
    # The handshake belongs to the connection's thread, so that a silent client does not block the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with the certificate")
    parser.add_argument("--key", type=Path, required=True, help="PEM file with the certificate's key")
    parser.add_argument("--expect-key-file", type=Path, required=True, help="file with the API key to accept")
    options = parser.parse_args()
    server = start(
        host=options.host,
        port=options.port,
        cert=options.cert,
        key=options.key,
        expected_key=options.expect_key_file.read_text(encoding="ascii").strip(),
    )
    print(f"listening on {options.host}:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
