# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order on the control socket: a line in, a line out."""

from __future__ import annotations

import socket
from collections.abc import Callable

from . import limits
from .control import ControlError, Order, failure, parse
from .reactor import Reactor
from .stream import Stream


class ControlConnection:
    """Owner of the caller's stream."""

    def __init__(self, reactor: Reactor, sock: socket.socket, obey: Callable[[Order], bytes], *, allowed: bool) -> None:
        """Read one line, obey it when the caller is allowed to give orders, and answer."""
        self._obey = obey
        self._allowed = allowed
        self._line = bytearray()
        self._replied = False
        self._stream = Stream(reactor, sock, self, dropped_on_hangup=True)
        self._timer = reactor.call_later(limits.CONTROL_SECONDS, self._close)
        self._stream.resume()

    def stream_ready(self) -> None:
        """An accepted stream is ready from the start."""

    def stream_data(self, data: bytes) -> None:
        """Collect the line and obey it."""
        if self._replied:
            return
        self._line += data
        line, feed, _rest = self._line.partition(b"\n")
        if not feed:
            if len(line) > limits.CONTROL_LINE_BYTES:
                self._reply(failure("cannot read the order: the line is too long"))
            return
        try:
            if not self._allowed:
                raise ControlError("cannot obey: only root may use the control socket; run this as root")
            self._reply(self._obey(parse(bytes(line))))
        except ControlError as error:
            self._reply(failure(str(error)))

    def stream_end(self) -> None:
        """Close, unless the reply is still on its way."""
        if not self._replied:
            self._close()

    def stream_lost(self, _cause: OSError) -> None:
        """The caller is gone."""
        self._close()

    def stream_drained(self) -> None:
        """The reply has left."""
        if self._replied:
            self._close()

    def _reply(self, line: bytes) -> None:
        self._replied = True
        self._stream.write(line)
        if not self._stream.buffered:
            self._close()

    def _close(self) -> None:
        self._timer.cancel()
        self._stream.close()
