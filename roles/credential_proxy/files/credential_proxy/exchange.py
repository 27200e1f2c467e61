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
from .model_choice import model_of
from .observation import Observer, observer_of
from .plan import Plan
from .policy import check_model
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
    the model that it names decides whether it may pass.
    """

    __slots__ = (
        *("body_ended", "observer", "_context", "_client", "_plan", "_forward", "_upstream", "_credential"),
        *("_held", "_dial", "_stream", "_relay"),
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
            if signs or plan.reads_model or head.chunked:
                self._held = HeldBody(context, hashed=signs)
        self._dial: Dial | None = None
        self._stream: Stream | None = None
        self.body_ended = False
        self.observer: Observer = observer_of(forward)
        # Until the request is complete, an early answer must end the connection, as the relay presumes.
        self._relay = ResponseRelay(head.method, needles(credential), self.observer)

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
        if self._plan.reads_model:
            check_model(model_of(held.content if held is not None else b""), self._forward.route, self._plan.policy)
        if held is not None:
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
        if self._held is not None:
            self._held.release()
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
        stream = self._upstream.take_idle()
        if stream is not None:
            self._ready(stream)
        else:
            self._dial = self._upstream.dial(self._ready, self._fail)

    def _ready(self, stream: Stream) -> None:
        stream.owner = self
        self._stream = stream
        head, held = self._plan.head, self._held
        length = len(held.content) if held is not None else head.length
        digest = held.sha256 if held is not None else _EMPTY_SHA256
        forward, credential = self._forward, self._credential
        stream.write(upstream_head(head, forward, credential, length=length, payload_sha256=digest, when=time.time()))
        if held is not None:
            stream.write(held.content)
            held.release()
        stream.resume()

    def _pass_on(self, out: bytes) -> None:
        self._client.answer(out)
        if not self._relay.complete:
            return
        if self._stream is not None:
            if self._relay.reusable and self.body_ended and not self._stream.buffered:
                self._upstream.release(self._stream)
            else:
                self._stream.close()
        self._client.answered()

    def _fail(self, refusal: Refusal) -> None:
        self.abort()
        self._client.failed(refusal)
