# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client connection: its requests one after another, each decided, audited, served or refused with the reason."""

from __future__ import annotations

import enum
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import limits
from .audit import clip
from .context import Context, Peer
from .exchange import Exchange
from .grammar import connection_options
from .policy import LocalAnswer, decide
from .refusals import Refusal, refusal_answer
from .request import End, RequestHead, RequestReader
from .stream import Stream

_TICK_SECONDS = 2.0
_LOCAL_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(enum.Enum):
    """What a connection is waiting for; each phase has its own patience."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    DRAIN = enum.auto()
    LINGER = enum.auto()


@dataclass(slots=True)
class _Turn:
    """What the audit's end line says about the request that is being served."""

    request: int
    began: float
    head: RequestHead
    close: bool
    bytes_in: int = 0
    bytes_out: int = 0
    first_byte: float | None = None


class Connection:
    """Owner of the client's stream."""

    def __init__(
        self, context: Context, workspace: str, sock: socket.socket, peer: Peer, gone: Callable[[Connection], None]
    ) -> None:
        """Serve a fresh connection that came in on a conversation's socket."""
        self._context = context
        self._who = {"workspace": workspace, "peer_uid": peer.uid, "peer_pid": peer.pid}
        self._gone = gone
        self._reader = RequestReader()
        self._exchange: Exchange | None = None
        self._turn: _Turn | None = None
        self._phase = Phase.IDLE
        self._since = context.reactor.now
        self._ended = False
        self._lingers = False
        self._stream = Stream(context.reactor, sock, self, dropped_on_hangup=True)
        self._stream.resume()
        self._timer = context.reactor.call_later(_TICK_SECONDS, self._tick)

    @property
    def _finishing(self) -> bool:
        """Tell whether no more requests are read."""
        return self._stream.closed or self._phase in (Phase.DRAIN, Phase.LINGER)

    def stop_when_idle(self) -> None:
        """Close between two requests; the running one is served first."""
        if self._phase is Phase.IDLE:
            self._close()

    def cut(self, rule: str) -> None:
        """End at once, whatever is going on."""
        if self._exchange is not None:
            self._exchange.abort()
        self._finish_turn(verdict="cut", rule=rule)
        self._close()

    # What the client's stream reports.

    def stream_ready(self) -> None:
        """An accepted stream is ready from the start."""

    def stream_data(self, data: bytes) -> None:
        """Read requests."""
        if not self._finishing:
            self._reader.feed(data)
            self._pump()

    def stream_end(self) -> None:
        """Serve what came whole, then close; half a request is an error."""
        self._ended = True
        if self._turn is None and self._phase is not Phase.DRAIN:
            self._close()
        elif self._reader.in_body:
            self.failed(Refusal("body-cut"))

    def stream_lost(self, _cause: OSError) -> None:
        """Stop working for a client that is gone."""
        self.cut("client-gone")

    def stream_drained(self) -> None:
        """Go on with the answer, or end the connection after its last byte."""
        self._since = self._context.reactor.now
        if self._phase is Phase.DRAIN:
            self._drained()
        elif self._exchange is not None:
            self._exchange.client_drained()

    # What the exchange reports.

    def answer(self, data: bytes) -> None:
        """Send bytes of the answer."""
        self._since = self._context.reactor.now
        if self._turn is not None and data:
            self._turn.first_byte = self._turn.first_byte or self._since
            self._turn.bytes_out += len(data)
        self._stream.write(data)
        if self._stream.buffered > limits.HIGH_WATER and self._exchange is not None:
            self._exchange.client_is_slow()

    def answered(self) -> None:
        """Close the books on this request and take the next one."""
        exchange, turn = self._exchange, self._turn
        assert exchange is not None
        assert turn is not None
        self._finish_turn(verdict="served", rule="")
        if not exchange.body_ended:
            self._finish(linger=True)
        else:
            self._next_request(close=turn.close)

    def failed(self, refusal: Refusal) -> None:
        """Answer with the reason while that is possible; after the answer began, cut it."""
        if self._exchange is not None and self._exchange.status:
            self._exchange.abort()
            self._finish_turn(verdict="cut", rule=refusal.rule, detail=refusal.detail)
            self._close()
        else:
            self._refuse(refusal)

    def go_on(self) -> None:
        """Read more of the body."""
        self._pump()

    # The course of one request.

    def _pump(self) -> None:
        """Handle what has arrived, as far as the exchange takes it."""
        try:
            while not self._must_wait():
                event = self._reader.next_event()
                if event is None:
                    break
                self._handle(event)
        except Refusal as refusal:
            self.failed(refusal)
            return
        if self._finishing:
            return
        if self._phase is Phase.IDLE and not self._reader.idle:
            self._enter(Phase.HEAD)
        if self._ended and self._turn is None:
            self._finish(linger=False)
        elif self._must_wait():
            self._stream.pause()
        else:
            self._stream.resume()

    def _must_wait(self) -> bool:
        if self._finishing:
            return True
        return self._exchange is not None and (self._exchange.body_ended or not self._exchange.has_room)

    def _handle(self, event: RequestHead | bytes | End) -> None:
        if isinstance(event, RequestHead):
            self._decide(event)
        elif isinstance(event, End):
            self._end_of_request()
        else:
            self._since = self._context.reactor.now
            assert self._turn is not None
            self._turn.bytes_in += len(event)
            if self._exchange is not None:
                self._exchange.body(event)

    def _decide(self, head: RequestHead) -> None:
        """Decide, write the decision down, and only then act on it."""
        context = self._context
        request = {"method": clip(head.method), "path": clip(head.target.partition("?")[0])}
        try:
            if context.stopping:
                raise Refusal("closing")
            decision = decide(head, context.routes)
        except Refusal as refusal:
            self._refuse(refusal, request, without_body=head.method == "HEAD")
            return
        number = self._write_audit("decision", {**request, "verdict": "allow", "route": decision.route.name})
        if number is None:
            self._refuse(Refusal("audit"), request, without_body=head.method == "HEAD")
            return
        close = b"close" in connection_options(head.fields)
        self._turn = _Turn(number, context.reactor.now, head, close)
        self._enter(Phase.BODY)
        if isinstance(decision, LocalAnswer):
            return
        if head.wants_continue:
            self._stream.write(_CONTINUE)
        self._exchange = Exchange(context, self, head, decision, close=close)
        self._exchange.start()

    def _end_of_request(self) -> None:
        if self._exchange is not None:
            self._enter(Phase.ANSWER)
            self._exchange.end_of_body()
            return
        assert self._turn is not None
        close = self._turn.close
        self.answer(_LOCAL_ANSWER.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") if close else _LOCAL_ANSWER)
        self._finish_turn(verdict="served", rule="", status=200)
        self._next_request(close=close)

    def _next_request(self, *, close: bool) -> None:
        if close or self._context.stopping or (self._ended and self._reader.idle):
            self._finish(linger=False)
            return
        self._enter(Phase.IDLE)
        self._context.reactor.call_soon(self._pump)

    def _refuse(self, refusal: Refusal, request: dict[str, str] | None = None, *, without_body: bool = False) -> None:
        """Write the refusal down, answer it, and close the connection: what follows on it cannot be trusted."""
        answer = refusal_answer(refusal, without_body=without_body)
        if self._exchange is not None:
            self._exchange.abort()
        if self._turn is not None:
            self._turn.bytes_out += len(answer)
            self._finish_turn(verdict="refused", rule=refusal.rule, status=refusal.status, detail=refusal.detail)
        else:
            facts = {**(request or {}), "verdict": "deny", "rule": refusal.rule, "status": refusal.status}
            self._write_audit("decision", facts)
        self._stream.write(answer)
        self._finish(linger=True)

    def _finish(self, *, linger: bool) -> None:
        """Send what is left, then close; linger: first let a client that is still sending read its answer."""
        self._lingers = linger
        self._enter(Phase.DRAIN)
        if not self._stream.buffered:
            self._drained()

    def _drained(self) -> None:
        if not self._lingers or self._ended:
            self._close()
            return
        self._enter(Phase.LINGER)
        self._stream.end_output()
        self._stream.resume()

    def _finish_turn(self, *, verdict: str, rule: str, status: int | None = None, detail: str = "") -> None:
        """Write the end line."""
        turn, exchange = self._turn, self._exchange
        self._turn = self._exchange = None
        if turn is None:
            return
        now = self._context.reactor.now
        facts: dict[str, Any] = {"request": turn.request, "verdict": verdict}
        if rule:
            facts["rule"] = rule
        if detail:
            facts["detail"] = clip(detail)
        facts["status"] = status if status is not None else (exchange.status if exchange is not None else 0)
        facts |= {"bytes_in": turn.bytes_in, "bytes_out": turn.bytes_out}
        if exchange is not None and exchange.upstream_address:
            facts["upstream"] = exchange.upstream_address
        if turn.first_byte is not None:
            facts["first_byte_ms"] = round((turn.first_byte - turn.began) * 1000, 1)
        facts["duration_ms"] = round((now - turn.began) * 1000, 1)
        self._write_audit("end", facts)

    def _write_audit(self, event: str, facts: dict[str, Any]) -> int | None:
        """Write a line; None when the log cannot be written, in which case nothing may be served."""
        try:
            return self._context.audit.write(event, {**self._who, **facts})
        except OSError:
            return None

    # Time.

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self._context.reactor.now

    def _tick(self) -> None:
        patience, rule = self._patience()
        if self._context.reactor.now - self._since >= patience:
            if not rule:
                self._close()
                return
            self.failed(Refusal(rule))
        if not self._stream.closed:
            self._timer = self._context.reactor.call_later(min(_TICK_SECONDS, patience), self._tick)

    def _patience(self) -> tuple[float, str]:
        """Return how long this phase may last without progress, and the rule it breaks after that."""
        if self._phase is Phase.BODY and self._exchange is not None and not self._exchange.has_room:
            return limits.STREAM_IDLE_SECONDS, "upstream-timeout"
        return {
            Phase.IDLE: (limits.KEEP_ALIVE_SECONDS, ""),
            Phase.HEAD: (limits.HEAD_SECONDS, "head-timeout"),
            Phase.BODY: (limits.BODY_IDLE_SECONDS, "body-timeout"),
            Phase.ANSWER: (limits.STREAM_IDLE_SECONDS, "upstream-timeout"),
            Phase.DRAIN: (limits.STREAM_IDLE_SECONDS, ""),
            Phase.LINGER: (limits.LINGER_SECONDS, ""),
        }[self._phase]

    def _close(self) -> None:
        self._timer.cancel()
        self._stream.close()
        self._gone(self)
