# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One question on the metrics socket: ``GET /metrics`` or ``GET /health``, answered, then closed."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from . import limits
from .reactor import Reactor
from .refusals import Refusal, refusal_answer
from .request import RequestHead, RequestReader
from .stream import Stream


class MetricsConnection:
    """Owner of the caller's stream."""

    def __init__(
        self,
        reactor: Reactor,
        sock: socket.socket,
        metrics: Callable[[], str],
        health: Callable[[], dict[str, Any]],
        *,
        allowed: bool,
    ) -> None:
        """Read one request and answer it when the caller is allowed to ask."""
        self._metrics = metrics
        self._health = health
        self._allowed = allowed
        self._reader = RequestReader()
        self._stream = Stream(reactor, sock, self, dropped_on_hangup=True)
        self._timer = reactor.call_later(limits.CONTROL_SECONDS, self._close)
        self._stream.resume()

    def stream_ready(self) -> None:
        """An accepted stream is ready from the start."""

    def stream_data(self, data: bytes) -> None:
        """Answer the first request."""
        self._reader.feed(data)
        try:
            head = self._reader.next_event()
            if not isinstance(head, RequestHead):
                return
            answer = self._answer(head)
        except Refusal as refusal:
            answer = refusal_answer(refusal)
        self._stream.pause()
        self._stream.write(answer)
        if not self._stream.buffered:
            self._close()

    def stream_end(self) -> None:
        """A caller that asks nothing is done."""
        self._close()

    def stream_lost(self, _cause: OSError) -> None:
        """The caller is gone."""
        self._close()

    def stream_drained(self) -> None:
        """The answer has left."""
        self._close()

    def _answer(self, head: RequestHead) -> bytes:
        if not self._allowed or head.target not in ("/metrics", "/health"):
            raise Refusal("path")
        if head.method != "GET":
            raise Refusal("method", allow="GET")
        status = "200 OK"
        if head.target == "/metrics":
            kind, text = "text/plain; version=0.0.4", self._metrics()
        else:
            health = self._health()
            kind, text = "application/json", json.dumps(health) + "\n"
            if not health["audit"]:
                status = "503 Service Unavailable"
        body = text.encode()
        return (
            f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        ).encode("ascii") + body

    def _close(self) -> None:
        self._timer.cancel()
        self._stream.close()
