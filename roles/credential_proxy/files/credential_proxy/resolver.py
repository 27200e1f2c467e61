# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names to vetted addresses, off the loop's thread; an answer is used for a minute, then asked for again."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from .addresses import vetted
from .limits import RESOLVE_CACHE_SECONDS
from .reactor import Reactor
from .refusals import Refusal

Outcome = list[str] | Refusal
_THREADS: Final = 2


class Resolver:
    """Looks names up; what it hands out has passed the DNS guard, and exactly that is dialled."""

    def __init__(self, reactor: Reactor) -> None:
        """Start no thread before the first question."""
        self._reactor = reactor
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._waiting: dict[str, list[Callable[[Outcome], None]]] = {}

    def resolve(self, name: str, tell: Callable[[Outcome], None]) -> None:
        """Call ``tell`` with the addresses or with the refusal; questions for one name share one look-up."""
        expires, addresses = self._known.get(name, (0.0, []))
        if self._reactor.now < expires:
            tell(addresses)
            return
        if name in self._waiting:
            self._waiting[name].append(tell)
            return
        self._waiting[name] = [tell]
        self._pool.submit(self._look_up, name)

    def close(self) -> None:
        """Take no more questions."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, name: str) -> None:
        """Ask the system; this runs in a thread of the pool."""
        outcome: Outcome
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            outcome = vetted([str(answer[4][0]) for answer in answers])
        except OSError as error:
            outcome = Refusal("upstream-resolve", detail=str(error))
        except Refusal as refusal:
            outcome = refusal
        self._reactor.call_from_thread(lambda: self._answer(name, outcome))

    def _answer(self, name: str, outcome: Outcome) -> None:
        if not isinstance(outcome, Refusal):
            self._known[name] = (self._reactor.now + RESOLVE_CACHE_SECONDS, outcome)
        for tell in self._waiting.pop(name):
            tell(outcome)
