# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request on its way: the client's body up, the upstream's answer down.

It owns the upstream connection from the moment that is ready until the answer is complete.
"""

from __future__ import annotations

from typing import Protocol

from . import limits
from .context import Context
from .injection import upstream_head
from .policy import Forward
from .refusals import Refusal
from .request import RequestHead
from .response import ResponseRelay
from .stream import Stream
from .upstream import Dial


class Client(Protocol):
    """The client's side of an exchange."""

    def answer(self, data: bytes) -> None:
        """Send bytes of the answer; none at all still means that the upstream is alive."""

    def answered(self) -> None:
        """Note that the answer is complete."""

    def failed(self, refusal: Refusal) -> None:
        """Note that there will be no answer, or no more of it."""

    def go_on(self) -> None:
        """Send more of the body: there is room again."""


class Exchange:
    """Moves one request and its answer; dies with either side."""

    def __init__(self, context: Context, client: Client, head: RequestHead, forward: Forward, *, close: bool) -> None:
        """Prepare; nothing happens before ``start``."""
        self._context = context
        self._client = client
        self._head = head
        self._forward = forward
        self._close = close
        self._pending = bytearray()
        self._held = 0
        self._dial: Dial | None = None
        self._stream: Stream | None = None
        self.body_ended = False
        # Until the request is complete, an early answer must end the connection.
        secret = context.secrets[forward.route.credential]
        self._relay = ResponseRelay(method=head.method, secret=secret, close=True)

    @property
    def status(self) -> int:
        """Return the upstream's status, 0 before the answer began."""
        return self._relay.status

    @property
    def upstream_address(self) -> str:
        """Return the address that was dialled."""
        return self._stream.peer if self._stream is not None else ""

    @property
    def has_room(self) -> bool:
        """Tell whether more of the body may be read from the client."""
        if self._head.chunked:
            return True
        return self._stream is not None and self._stream.buffered < limits.HIGH_WATER

    def start(self) -> None:
        """Dial at once when the body's length is known; otherwise when the body is complete."""
        if not self._head.chunked:
            self._acquire()

    def body(self, data: bytes) -> None:
        """Take a piece of the request's body."""
        if self._head.chunked:
            if not self._context.hold(len(data)):
                raise Refusal("held-bytes")
            self._held += len(data)
        if self._stream is None:
            self._pending += data
        else:
            self._stream.write(data)

    def end_of_body(self) -> None:
        """Note that the request is complete."""
        self.body_ended = True
        self._relay.close = self._close
        if self._head.chunked:
            self._acquire()

    def client_is_slow(self) -> None:
        """Read the upstream no more until the client has caught up."""
        if self._stream is not None:
            self._stream.pause()

    def client_drained(self) -> None:
        """Read the upstream again."""
        if self._stream is not None:
            self._stream.resume()

    def abort(self) -> None:
        """Give everything back; an unfinished request is never completed upstream."""
        self._release_memory()
        if self._dial is not None:
            self._dial.cancel()
        if self._stream is not None:
            self._stream.close()

    def stream_data(self, data: bytes) -> None:
        """Pass on what the upstream sent, or cut."""
        try:
            out = self._relay.feed(data)
        except Refusal as refusal:
            self._fail(refusal)
            return
        self._pass_on(out)

    def stream_end(self) -> None:
        """Complete an answer without a length, or report that it was cut."""
        try:
            out = self._relay.end()
        except Refusal as refusal:
            self._fail(refusal)
            return
        self._pass_on(out)

    def stream_lost(self, cause: OSError) -> None:
        """Report that the connection broke."""
        self._fail(Refusal("upstream-cut", detail=str(cause)))

    def stream_drained(self) -> None:
        """Ask for more of the body."""
        if not self.body_ended:
            self._client.go_on()

    def stream_ready(self) -> None:
        """Belongs to the dial."""

    def _acquire(self) -> None:
        upstream = self._context.upstreams[self._forward.route.name]
        self._dial = upstream.acquire(self._ready, self._fail)

    def _ready(self, stream: Stream) -> None:
        head, route = self._head, self._forward.route
        first = upstream_head(
            method=head.method,
            target=self._forward.target,
            fields=head.fields,
            length=len(self._pending) if head.chunked else head.length,
            route=route,
            secret=self._context.secrets[route.credential],
        )
        stream.owner = self
        self._stream = stream
        stream.write(first + self._pending)
        self._pending.clear()
        self._release_memory()
        stream.resume()

    def _pass_on(self, out: bytes) -> None:
        self._client.answer(out)
        if not self._relay.complete:
            return
        if self._stream is not None:
            if self._relay.reusable and self.body_ended and not self._stream.buffered:
                self._context.upstreams[self._forward.route.name].release(self._stream)
            else:
                self._stream.close()
        self._client.answered()

    def _fail(self, refusal: Refusal) -> None:
        self.abort()
        self._client.failed(refusal)

    def _release_memory(self) -> None:
        self._context.held_bytes -= self._held
        self._held = 0
