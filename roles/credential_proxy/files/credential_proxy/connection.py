# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client connection: its requests one after another, each decided, audited, served or refused with the reason."""

from __future__ import annotations

import enum
import socket
import sys
from collections.abc import Callable

from . import limits
from .audit import clip
from .chain import fragment, quote
from .context import Context, Peer
from .decision import Forward, Tunnel
from .exchange import Exchange
from .observation import UNOBSERVED
from .plan import Plan
from .refusals import Refusal, refusal_answer
from .request import End, RequestHead, RequestReader
from .stream import Stream
from .tunnels.tunnel import ClientTunnel, Outcome
from .turn import Turn
from .wording import asked

_TICK_SECONDS = 2.0
_LOCAL_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(enum.Enum):
    """What a connection is waiting for; each phase has its own patience."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()
    DRAIN = enum.auto()
    LINGER = enum.auto()
    TUNNEL = enum.auto()


class Connection:
    """Owner of the client's stream."""

    __slots__ = (
        *("_context", "_workspace", "_who", "_gone", "_reader", "_exchange", "_tunnel", "_turn", "_phase", "_since"),
        *("_ended", "_finishing", "_lingers", "_stream", "_timer"),
    )

    def __init__(
        self, context: Context, workspace: str, sock: socket.socket, peer: Peer, gone: Callable[[Connection], None]
    ) -> None:
        """Serve a fresh connection that came in on a conversation's socket."""
        self._context = context
        self._workspace = workspace
        self._who = fragment({"workspace": workspace, "peer_uid": peer.uid, "peer_pid": peer.pid})
        self._gone = gone
        self._reader = RequestReader()
        self._exchange: Exchange | None = None
        self._tunnel: ClientTunnel | None = None
        self._turn: Turn | None = None
        self._phase = Phase.IDLE
        self._since = context.reactor.now
        self._ended = False
        # Whether no more requests are read.
        self._finishing = False
        self._lingers = False
        self._stream = Stream(context.reactor, sock, self, dropped_on_hangup=True)
        self._stream.resume()
        self._timer = context.reactor.call_later(_TICK_SECONDS, self._tick)

    @property
    def tunnel_host(self) -> str:
        """Return the host to which this connection is a tunnel, or nothing."""
        return self._tunnel.host if self._tunnel is not None else ""

    def stop_when_idle(self) -> None:
        """Close between two requests; the running one is served first."""
        if self._phase is Phase.IDLE and not self._stream.buffered:
            self._close()

    def cut(self, rule: str) -> None:
        """End at once, whatever is going on."""
        if self._exchange is not None:
            self._exchange.abort()
        if self._tunnel is not None:
            self._tunnel.cut(rule)
            return
        self._finish_turn(verdict="cut", rule=rule)
        self._close()

    # What the client's stream reports.

    def stream_ready(self) -> None:
        """An accepted stream is ready from the start."""

    def stream_data(self, data: bytes) -> None:
        """Read requests."""
        if self._finishing:
            return
        self._reader.feed(data)
        if self._exchange is None or self._takes_body(self._exchange):
            self._pump()
        else:
            # The next request is early: no more of it is read than this.
            self._stream.pause()

    def stream_end(self) -> None:
        """Serve what came whole, then close; half a request is an error."""
        self._ended = True
        if self._phase is Phase.IDLE and not self._reader.idle:
            return  # The next request is here already, and about to be read.
        if self._turn is None and self._phase is not Phase.DRAIN:
            self._finish(linger=False)
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
        turn = self._turn
        if turn is not None and data:
            if not turn.bytes_out:
                turn.first_byte = self._since
            turn.bytes_out += len(data)
            self._stream.write(data)
            if self._exchange is not None and self._stream.buffered > limits.HIGH_WATER:
                self._exchange.client_is_slow()

    def answered(self) -> None:
        """Close the books on this request and take the next one."""
        exchange, turn = self._exchange, self._turn
        assert exchange is not None
        assert turn is not None
        if not self._context.reactor.crowded:
            self._stream.flush()
        self._finish_turn(verdict="served", rule="")
        if not exchange.body_ended:
            self._finish(linger=True)
        else:
            self._next_request(close=turn.plan.close)

    def failed(self, refusal: Refusal) -> None:
        """Answer with the reason while that is possible; after the answer began, cut it."""
        if self._exchange is not None and self._exchange.status:
            self._exchange.abort()
            self._finish_turn(verdict="cut", rule=refusal.rule, detail=refusal.detail)
            self._stream.flush()
            self._close()
        else:
            self._refuse(refusal)

    def go_on(self) -> None:
        """Read more of the body."""
        self._pump()

    # The course of one request.

    def _begin_next(self) -> None:
        """Read the next request, which came early, unless bytes that arrived meanwhile have begun it."""
        if self._turn is None:
            self._pump()

    def _pump(self) -> None:
        """Handle what has arrived, as far as the exchange takes it."""
        try:
            while not self._finishing and (event := self._reader.next_event()) is not None:
                if isinstance(event, RequestHead):
                    goes_on = self._decide(event)
                elif isinstance(event, End):
                    goes_on = self._end_of_request()
                else:
                    goes_on = self._body(event)
                if not goes_on:
                    break
        except Refusal as refusal:
            self.failed(refusal)
            return
        if not self._finishing:
            self._read_on()

    def _read_on(self) -> None:
        """Read more, unless the exchange has no room for it or the client has ended."""
        exchange = self._exchange
        if exchange is not None and not exchange.body_ended and not exchange.has_room:
            self._stream.pause()
            return
        if self._turn is None:
            if self._ended:
                self._finish(linger=False)
                return
            if self._phase is Phase.IDLE and not self._reader.idle:
                self._enter(Phase.HEAD)
        self._stream.resume()

    @staticmethod
    def _takes_body(exchange: Exchange) -> bool:
        return not exchange.body_ended and exchange.has_room

    def _decide(self, head: RequestHead) -> bool:
        """Decide, have that written down, and act on it. Tell whether more can be read."""
        assert self._turn is None
        context, workspace = self._context, self._workspace
        now = context.reactor.now
        try:
            if context.stopping:
                raise Refusal("closing")
            plan = context.planner(workspace).plan(head)
            if plan.counted:
                wall = context.audit.clock()
                context.ledger.admit(workspace, plan.policy.limits, now=now, wall=wall, metered=plan.metered)
        except Refusal as refusal:
            self._refuse(refusal, head)
            return False
        number = context.audit.append("decision", self._who + plan.said, self)
        turn = self._turn = Turn(now, plan, number)
        self._enter(Phase.BODY if head.length else Phase.ANSWER)
        self._act_on(plan)
        if self._turn is not turn or self._finishing:
            return False
        if not head.length:
            return self._end_of_request()
        return self._exchange is None or self._takes_body(self._exchange)

    def _act_on(self, plan: Plan) -> None:
        """Begin what was decided; nothing of it leaves before the decision is written down."""
        decision = plan.decision
        if isinstance(decision, Forward):
            if plan.head.wants_continue:
                self._stream.write(_CONTINUE)
            self._exchange = Exchange(self._context, self, plan, decision)
            self._exchange.start()
            return
        # What is done at once must be written down at once.
        self._context.audit.commit()
        if self._turn is not None and isinstance(decision, Tunnel):
            self._open_tunnel(decision)

    def _body(self, piece: bytes) -> bool:
        """Pass on a piece of the body; tell whether more can be read."""
        turn, exchange = self._turn, self._exchange
        assert turn is not None
        self._since = self._context.reactor.now
        turn.bytes_in += len(piece)
        if exchange is None:
            return True
        exchange.body(piece)
        return self._takes_body(exchange)

    def _open_tunnel(self, decision: Tunnel) -> None:
        self._finishing = True
        self._enter(Phase.TUNNEL)
        self._stream.write(_ESTABLISHED)
        context = self._context
        self._tunnel = ClientTunnel(context.reactor, context.resolver, self._stream, decision.host, self._tunnel_ended)
        self._tunnel.start(self._reader.take_rest(), context.rules.parent_proxy)

    def _tunnel_ended(self, outcome: Outcome) -> None:
        turn = self._turn
        assert turn is not None
        turn.bytes_in, turn.bytes_out, turn.address = outcome.bytes_in, outcome.bytes_out, outcome.address
        if not outcome.bytes_out:
            self._context.flood.count(self._workspace, self._context.reactor.now)
        verdict = "cut" if outcome.rule else "served"
        self._finish_turn(verdict=verdict, rule=outcome.rule, status=200, detail=outcome.detail)
        self._close()

    def _end_of_request(self) -> bool:
        """Wait for the answer, or give it; the next request is read after it."""
        turn, exchange = self._turn, self._exchange
        assert turn is not None
        if exchange is not None:
            if self._phase is Phase.BODY:
                self._enter(Phase.ANSWER)
            exchange.end_of_body(close=turn.plan.close)
            return False
        context = self._context
        wait = context.flood.count(self._workspace, context.reactor.now)
        close = turn.plan.close or wait > 0
        self.answer(_LOCAL_ANSWER.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n") if close else _LOCAL_ANSWER)
        self._finish_turn(verdict="served", rule="", status=200)
        self._next_request(close=close)
        return False

    def _next_request(self, *, close: bool) -> None:
        idle = self._reader.idle
        if close or self._context.stopping or (self._ended and idle):
            self._finish(linger=False)
            return
        self._enter(Phase.IDLE)
        if not idle:
            self._context.reactor.call_soon(self._begin_next)

    def _refuse(self, refusal: Refusal, head: RequestHead | None = None) -> None:
        """Write the refusal down, answer it, and close the connection: what follows on it cannot be trusted."""
        head = head or (self._turn.plan.head if self._turn is not None else None)
        answer = refusal_answer(refusal, without_body=head is not None and head.method == "HEAD")
        if self._exchange is not None:
            self._exchange.abort()
        if self._turn is not None:
            self._turn.bytes_out += len(answer)
            self._finish_turn(verdict="refused", rule=refusal.rule, status=refusal.status, detail=refusal.detail)
        else:
            self._context.flood.count(self._workspace, self._context.reactor.now)
            facts = self._who + (asked(head) if head is not None else "")
            facts += f',"verdict":"deny","rule":"{refusal.rule}","status":{refusal.status}'
            if refusal.detail:
                facts += f',"detail":{quote(clip(refusal.detail))}'
            self._context.audit.append("decision", facts)
            self._context.metrics.add("refusals_total", (("rule", refusal.rule),))
        self._stream.write(answer)
        self._finish(linger=True)

    def _finish(self, *, linger: bool) -> None:
        """Send what is left, then close; linger: first let a client that is still sending read its answer."""
        self._finishing = True
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
        """Settle the account and write the end line."""
        turn, exchange = self._turn, self._exchange
        self._turn = self._exchange = None
        if turn is None:
            return
        context = self._context
        if turn.plan.counted:
            context.ledger.release(self._workspace)
        if exchange is not None:
            turn.status, turn.address = exchange.status, exchange.upstream_address
            if exchange.observer is not UNOBSERVED:
                turn.settle(exchange.observer, context, self._workspace, cut=verdict != "served")
        if status is not None:
            turn.status = status
        if verdict != "served" and self._tunnel is None and (exchange is None or not exchange.status):
            context.flood.count(self._workspace, context.reactor.now)
        context.audit.append("end", self._who + turn.ended(context.reactor.now, verdict, rule, detail))
        turn.count(context, verdict, rule)
        if rule == "secret-echo":
            print(f"ALARM: an answer to {self._workspace} held the secret; it was cut", file=sys.stderr)

    def not_written(self, number: int) -> None:
        """Refuse the request of this decision, of which nothing has left yet."""
        turn, exchange = self._turn, self._exchange
        if turn is None or turn.request != number:
            return
        self._turn = self._exchange = None
        if turn.plan.counted:
            self._context.ledger.release(self._workspace)
        if exchange is not None:
            exchange.abort()
        self._refuse(Refusal("audit"), turn.plan.head)

    # Time.

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self._context.reactor.now

    def _tick(self) -> None:
        if self._phase is Phase.TUNNEL:
            return  # It has a clock of its own.
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
        self._finishing = True
        self._timer.cancel()
        self._stream.close()
        self._gone(self)
