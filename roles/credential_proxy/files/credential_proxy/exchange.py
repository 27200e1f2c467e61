# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request on its way: the client's body up, the upstream's answer down.

It owns the upstream connection from the moment that is ready until the answer is complete.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final, Protocol

from . import limits
from .context import Context
from .decision import Forward
from .dial import Dial
from .held_body import HeldBody
from .injection import upstream_head
from .observation import Observer, observer_of
from .plan import Plan
from .policy import check_prompt
from .refusals import Refusal
from .response import ResponseRelay
from .secret import AwsKeys, needles
from .stream import Stream

_EMPTY_SHA256: Final = hashlib.sha256().hexdigest()


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
    """Moves one request and its answer; dies with either side.

    A body is held until it is complete when its length is not known, when its hash goes into the head (SigV4), and when
    what it asks for decides whether it may pass.
    """

    __slots__ = (
        *("body_ended", "observer", "_context", "_client", "_plan", "_forward", "_upstream", "_credential"),
        *("_held", "_dial", "_stream", "_relay", "_client_waits"),
    )

    def __init__(self, context: Context, client: Client, plan: Plan, forward: Forward) -> None:
        """Prepare; nothing happens before ``start``."""
        self._context = context
        self._client = client
        self._plan = plan
        self._forward = forward
        self._upstream = context.rules.upstreams[plan.route]
        credential = self._credential = context.credential(forward.route)
        head = plan.head
        self._held: HeldBody | None = None
        if head.length:
            signs = isinstance(credential, AwsKeys)
            if signs or plan.reads_prompt or head.chunked:
                self._held = HeldBody(context, plan.conversation, hashed=signs)
        self._dial: Dial | None = None
        self._stream: Stream | None = None
        self._client_waits = False
        self.body_ended = False
        self.observer: Observer = observer_of(forward)
        # Until the request is complete, an early answer must end the connection, as the relay presumes.
        self._relay = ResponseRelay(head.method, needles(credential, forward.route.auth), self.observer)

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
        if self._held is not None:
            return True
        return self._stream is not None and self._stream.buffered < limits.HIGH_WATER

    def start(self) -> None:
        """Dial at once, unless the body must be complete first."""
        if self._held is None:
            self._acquire()

    def body(self, data: bytes) -> None:
        """Take a piece of the request's body; there must be room for it."""
        if self._held is not None:
            self._held.add(data)
        else:
            assert self._stream is not None
            self._stream.write(data)

    def end_of_body(self, *, close: bool) -> None:
        """Note that the request is complete; close: the client's connection ends with the answer."""
        self.body_ended = True
        self._relay.close = close
        held = self._held
        if self._plan.reads_prompt:
            check_prompt(held.content if held is not None else b"", self._forward, self._plan.policy)
        if held is not None:
            self._acquire()

    def client_is_slow(self) -> None:
        """Read the upstream no more until the client has caught up."""
        self._client_waits = True
        if self._stream is not None:
            self._stream.pause()

    def client_drained(self) -> None:
        """Read the upstream again, or go on with what is here."""
        if not self._client_waits:
            return
        self._client_waits = False
        if self._relay.complete:
            self._pass_on(self._next_piece())
        elif self._stream is not None:
            self._stream.resume()

    def abort(self) -> None:
        """Give everything back; an unfinished request is never completed upstream."""
        self._release()
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
        """Ask for more of the body, or give back the memory of one that was held: it has left."""
        if not self.body_ended:
            self._client.go_on()
        elif self._held is not None:
            self._held.release()

    def stream_ready(self) -> None:
        """Belongs to the dial."""

    def _acquire(self) -> None:
        stream = self._upstream.take_idle()
        if stream is not None:
            self._ready(stream)
        else:
            self._dial = self._upstream.dial(self._ready, self._fail)

    def _ready(self, stream: Stream) -> None:
        stream.owner = self
        self._stream = stream
        head = self._plan.head
        held = self._held
        length = len(held.content) if held is not None else head.length
        digest = held.sha256 if held is not None else _EMPTY_SHA256
        stream.write(
            upstream_head(head, self._forward, self._credential, length=length, payload_sha256=digest, when=time.time())
        )
        if held is not None:
            stream.write(held.content)
            # There it waits until the upstream has taken it; that memory stays counted.
            held.content.clear()
        stream.resume()

    def _pass_on(self, out: bytes) -> None:
        self._client.answer(out)
        if not self._relay.complete:
            if self._relay.page is not None:
                self._rewrite()
            return
        stream = self._stream
        if stream is not None and self._relay.reusable and self.body_ended and not stream.buffered:
            if self._client_waits:
                return
            self._upstream.release(stream)
        else:
            if stream is not None:
                stream.close()
            if self._client_waits and self.body_ended:
                return
            self._release()
        self._client.answered()

    def _rewrite(self) -> None:
        """Count what is there of a page; once it is complete, begin to send the client's."""
        try:
            self._relay.rewrite(self._hold_page)
        except Refusal as refusal:
            self._fail(refusal)
            return
        if self._relay.complete:
            self._pass_on(self._next_piece())

    def _next_piece(self) -> bytes:
        """Return a piece of a rewritten page; while there are more, the answer is not over."""
        page = self._relay.page
        if page is None:
            return b""
        piece = page.next_piece()
        if page.waits:
            self.client_is_slow()
        else:
            self._hold_page(0)
        return piece

    def _hold_page(self, count: int) -> None:
        """Hold so many bytes of a page instead of those before; refuse when there is no memory for them."""
        page = self._relay.page
        assert page is not None
        if count > page.counted:
            self._context.hold(self._plan.conversation, count - page.counted)
        elif count < page.counted:
            self._context.give_back(self._plan.conversation, page.counted - count)
        page.counted = count

    def _release(self) -> None:
        """Give back the memory of what is held; once or more often."""
        if self._held is not None:
            self._held.release()
        if self._relay.page is not None:
            self._relay.page.drop()
            self._hold_page(0)

    def _fail(self, refusal: Refusal) -> None:
        self.abort()
        self._client.failed(refusal)
