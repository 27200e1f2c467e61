# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop: one epoll, timers, a way in for other threads and for signals. Everything else runs inside it.

Written by hand because asyncio's TLS holds 256 KiB a connection and uvloop dies on a half-closed one.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import select
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Final

_WAKE_BYTES: Final = 4096
_EVENTS_AT_ONCE: Final = 128
# Cancelled timers are thrown out when they are this many and most of all.
_CANCELLED_AT_LEAST: Final = 128
# Nobody waits longer for his bytes than this many others take.
_FLUSHES_AT_ONCE: Final = 32


class Timer:
    """One call in the future, unless it is cancelled."""

    __slots__ = ("_reactor", "action")

    def __init__(self, action: Callable[[], None], reactor: Reactor) -> None:
        """Hold the action until the reactor runs it."""
        self.action: Callable[[], None] | None = action
        self._reactor = reactor

    def cancel(self) -> None:
        """Forget the action, if it is still to come."""
        if self.action is not None:
            self.action = None
            self._reactor.timer_cancelled()


class Reactor:
    """Calls handlers when their descriptors are ready, until it is stopped."""

    def __init__(self) -> None:
        """Open the epoll and the pipe that wakes it."""
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._cancelled = 0
        self._order = itertools.count()
        self._soon: deque[Callable[[], None]] = deque()
        self._firsts: list[Callable[[], None]] = []
        self._flushes: list[Callable[[], None]] = []
        self.flush_later = self._flushes.append
        """Send before the next wait for events: what belongs together leaves in one call, and a peer wakes once."""
        self._garbage: list[Callable[[], None]] = []
        self._signals: dict[int, Callable[[], None]] = {}
        self._running = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.register(self._wake_read, select.EPOLLIN, self._woken)
        self.now = time.monotonic()
        # Whether several descriptors were ready in this round, so that sending at its end saves calls.
        self.crowded = False

    def register(self, descriptor: int, events: int, handler: Callable[[int], None]) -> None:
        """Watch a descriptor, level-triggered."""
        self._epoll.register(descriptor, events)
        self._handlers[descriptor] = handler

    def modify(self, descriptor: int, events: int) -> None:
        """Watch for other events."""
        self._epoll.modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """Stop watching."""
        self._epoll.unregister(descriptor)
        del self._handlers[descriptor]

    def close_later(self, close: Callable[[], None]) -> None:
        """Close a descriptor after this round of events, so that its number cannot name a new one within it."""
        self._garbage.append(close)

    def flush_first(self, action: Callable[[], None]) -> None:
        """Do this before whatever ``flush_later`` sends in this round."""
        self._firsts.append(action)

    def call_later(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Run an action after a delay."""
        timer = Timer(action, self)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def timer_cancelled(self) -> None:
        """Keep the memory of cancelled timers within bounds, however fast clients come and go."""
        self._cancelled += 1
        if self._cancelled >= _CANCELLED_AT_LEAST and 2 * self._cancelled > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].action is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def call_soon(self, action: Callable[[], None]) -> None:
        """Run an action in the next round."""
        self._soon.append(action)

    def call_from_thread(self, action: Callable[[], None]) -> None:
        """Run an action in the next round; the only method that other threads may call."""
        self._soon.append(action)
        with contextlib.suppress(BlockingIOError):  # A full pipe wakes the loop as well.
            os.write(self._wake_write, b"\0")

    def on_signal(self, number: signal.Signals, action: Callable[[], None]) -> None:
        """Run an action in the loop when a signal arrives."""
        self._signals[number] = action
        signal.signal(number, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def stop(self) -> None:
        """Leave ``run`` after this round."""
        self._running = False

    def run(self) -> None:
        """Serve until stopped."""
        self._running = True
        while self._running:
            self.run_once()

    def run_once(self, wait: float = 60.0) -> None:
        """Wait for one round of events and handle it."""
        if self._soon:
            wait = 0.0
        elif self._timers:
            until = self._timers[0][0] - time.monotonic()
            wait = 0.0 if until < 0.0 else until if until < wait else wait
        events = self._epoll.poll(wait, _EVENTS_AT_ONCE)
        self.now = time.monotonic()
        self.crowded = len(events) > 1
        self._handle(events)
        for _turn in range(len(self._soon)):
            _contain(self._soon.popleft())
        while self._timers and self._timers[0][0] <= self.now:
            self._run_timer(heapq.heappop(self._timers)[2])
        if self._flushes or self._firsts:
            self._flush()
        self.close_pending()

    def _run_timer(self, timer: Timer) -> None:
        action, timer.action = timer.action, None
        if action is not None:
            _contain(action)
        else:
            self._cancelled -= 1

    def _handle(self, events: list[tuple[int, int]]) -> None:
        handler_of, flushes = self._handlers.get, self._flushes
        for descriptor, mask in events:
            handler = handler_of(descriptor)
            if handler is not None:
                try:
                    handler(mask)
                except Exception:
                    _report()
                if len(flushes) >= _FLUSHES_AT_ONCE:
                    self._flush()

    def _flush(self) -> None:
        """Send what was written; who hears that it has left may write again."""
        while self._flushes or self._firsts:
            actions = self._firsts + self._flushes
            self._firsts.clear()
            self._flushes.clear()
            for action in actions:
                try:
                    action()
                except Exception:
                    _report()

    def close_pending(self) -> None:
        """Close what ``close_later`` was given."""
        if self._garbage:
            garbage, self._garbage = self._garbage, []
            for close in garbage:
                close()

    def close(self) -> None:
        """Release the loop's own descriptors."""
        with contextlib.suppress(ValueError):  # Signals are set up by the main thread only.
            signal.set_wakeup_fd(-1)
        self._epoll.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _woken(self, _mask: int) -> None:
        for number in os.read(self._wake_read, _WAKE_BYTES):
            action = self._signals.get(number)
            if action is not None:
                action()


def _contain(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:
        _report()


def _report() -> None:
    """Keep one connection's mistake from ending all the others."""
    traceback.print_exc(file=sys.stderr)
