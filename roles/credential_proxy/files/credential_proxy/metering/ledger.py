# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what every conversation has used, and whether it may use more.

A budget is compared before a request and charged after its answer, so that requests already running may overdraw it: by
at most ``concurrent_requests`` answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..refusals import Refusal
from ..settings import Limits, Price, matches
from .usage import Usage

_DAY_SECONDS: Final = 86400
_MILLION: Final = 1_000_000


@dataclass(slots=True)
class Account:
    """What one conversation has used in all, and on one day (number of days since 1970, UTC)."""

    tokens: int = 0
    cost: float = 0.0
    day: int = 0
    day_tokens: int = 0
    day_cost: float = 0.0


class _Pace:
    """Requests a minute, as a bucket that fills evenly, and requests that are open."""

    __slots__ = ("allowance", "open", "since")

    def __init__(self, now: float) -> None:
        self.allowance = -1.0
        self.since = now
        self.open = 0


class Ledger:
    """All accounts; pure but for ``load`` and ``save``."""

    def __init__(self, prices: tuple[Price, ...]) -> None:
        """Begin with empty accounts."""
        self.prices = prices
        self.dirty = False
        self._accounts: dict[str, Account] = {}
        self._paces: dict[str, _Pace] = {}

    def admit(self, conversation: str, limits: Limits, *, now: float, wall: float, metered: bool) -> None:
        """Count a request in, or refuse it. ``now`` is a monotonic time, ``wall`` a Unix time, both in seconds."""
        pace = self._paces.get(conversation)
        if pace is None:
            pace = self._paces[conversation] = _Pace(now)
        if limits.concurrent_requests is not None and pace.open >= limits.concurrent_requests:
            raise Refusal("concurrency", retry_after=1)
        if metered:
            self._check_budget(self._account(conversation, wall), limits, wall)
        if limits.requests_per_minute is not None:
            _take(pace, limits.requests_per_minute, now)
        pace.open += 1

    def release(self, conversation: str) -> None:
        """Count a request out."""
        pace = self._paces.get(conversation)
        if pace is not None:
            pace.open -= 1

    def charge(self, conversation: str, usage: Usage, model: str, limits: Limits, *, wall: float) -> float:
        """Book an answer; return its cost. ``model`` is the one that the request's path names, or empty."""
        account = self._account(conversation, wall)
        cost = self._cost(usage, model, limits) if self.prices else 0.0
        tokens = usage.tokens
        account.tokens += tokens
        account.day_tokens += tokens
        account.cost += cost
        account.day_cost += cost
        self.dirty = True
        return cost

    def account(self, conversation: str) -> Account:
        """Return what a conversation has used."""
        return self._accounts.get(conversation, Account())

    def forget(self, conversation: str) -> None:
        """Close the account of a conversation that ended."""
        self.dirty = self._accounts.pop(conversation, None) is not None or self.dirty
        self._paces.pop(conversation, None)

    def load(self, path: Path) -> None:
        """Read the accounts of an earlier run; a file that cannot be read is an error, not an empty ledger."""
        if path.exists():
            data = json.loads(path.read_text("utf-8"))
            self._accounts = {name: Account(**values) for name, values in data.items()}

    def save(self, path: Path) -> None:
        """Write the accounts, all or nothing."""
        fresh = path.with_name(path.name + ".new")
        data: Mapping[str, Any] = {name: asdict(account) for name, account in self._accounts.items()}
        fresh.write_text(json.dumps(data), "utf-8")
        fresh.replace(path)
        self.dirty = False

    def _account(self, conversation: str, wall: float) -> Account:
        account = self._accounts.get(conversation)
        if account is None:
            account = self._accounts[conversation] = Account()
        day = int(wall // _DAY_SECONDS)
        if account.day != day:
            account.day, account.day_tokens, account.day_cost = day, 0, 0.0
        return account

    @staticmethod
    def _check_budget(account: Account, limits: Limits, wall: float) -> None:
        if _spent(account.tokens, limits.tokens) or _spent(account.cost, limits.cost):
            raise Refusal("budget")
        if _spent(account.day_tokens, limits.tokens_per_day) or _spent(account.day_cost, limits.cost_per_day):
            raise Refusal("budget-day", retry_after=_DAY_SECONDS - int(wall) % _DAY_SECONDS)

    def _cost(self, usage: Usage, model: str, limits: Limits) -> float:
        """Price by the answer's name for the model, then by the path's; calls of other models by theirs.

        Where money is limited, a model without a price is as dear as the dearest: nobody goes around the limit with it.
        """
        return self._own_cost(usage, model, limits) + sum(
            self._own_cost(other, "" if other.model else model, limits) for other in usage.others
        )

    def _own_cost(self, usage: Usage, model: str, limits: Limits) -> float:
        for name in (usage.model, model):
            for price in self.prices:
                if name and matches(name, (price.model,)):
                    return _costs(usage, price)
        if limits.cost is None and limits.cost_per_day is None:
            return 0.0
        return max(_costs(usage, price) for price in self.prices)


def _costs(usage: Usage, price: Price) -> float:
    total = usage.input * price.input + usage.output * price.output + usage.cache_read * price.cache_read
    total += (usage.cache_write - usage.cache_write_1h) * price.cache_write
    total += usage.cache_write_1h * price.cache_write_1h
    return total * (price.fast if usage.fast else 1) / _MILLION


def _spent(used: float, limit: float | None) -> bool:
    return limit is not None and used >= limit


def _take(pace: _Pace, per_minute: int, now: float) -> None:
    """Take one request out of the bucket, which holds at most a minute's worth."""
    full = float(per_minute)
    if pace.allowance < 0:
        pace.allowance = full
    else:
        pace.allowance = min(full, pace.allowance + (now - pace.since) * per_minute / 60.0)
    pace.since = now
    if pace.allowance < 1.0:
        raise Refusal("rate", retry_after=int((1.0 - pace.allowance) * 60.0 / per_minute) + 1 if per_minute else 60)
    pace.allowance -= 1.0
