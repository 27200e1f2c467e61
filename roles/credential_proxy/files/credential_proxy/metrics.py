# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters in Prometheus' text format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .refusals import RULES

_PREFIX: Final = "credential_proxy"
_HELP: Final = {
    "requests_total": "Requests that ended, by route, verdict and status.",
    "refusals_total": "Requests and answers that were refused or cut, by rule.",
    "tokens_total": "Tokens of answers, by route and kind.",
    "cost_total": "Cost of answers in the operator's currency, by route.",
    "bytes_total": "Bytes between client and proxy, by route and direction.",
    "seconds_total": "Time from decision to end, by route.",
}
Labels = tuple[tuple[str, str], ...]
_Counters = dict[str, defaultdict[Labels, float]]


@dataclass(slots=True)
class Tally:
    """What is counted of every request, for those of one route that ended alike."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0


class Metrics:
    """Counts; what is a state rather than a count is given to ``render``."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._tallies: dict[tuple[str, str, int], Tally] = {}
        self._rest: _Counters = {name: defaultdict(float) for name in _HELP}
        # Every rule from the start: for Prometheus a counter that appears with its first refusal has not increased.
        self._rest["refusals_total"].update({(("rule", rule),): 0.0 for rule in RULES})

    def tally(self, route: str, verdict: str, status: int) -> Tally:
        """Return what to add a request to."""
        tally = self._tallies.get((route, verdict, status))
        if tally is None:
            tally = self._tallies[route, verdict, status] = Tally()
        return tally

    def add(self, name: str, labels: Labels, amount: float = 1) -> None:
        """Add to a counter."""
        self._rest[name][labels] += amount

    def render(self, gauges: dict[str, tuple[str, float]]) -> str:
        """Write all counters, and the gauges, each with its help."""
        return "\n".join([*self._counter_lines(), *_gauge_lines(gauges)]) + "\n"

    def _counters(self) -> _Counters:
        counters = {name: values.copy() for name, values in self._rest.items()}
        for (route, verdict, status), tally in self._tallies.items():
            of_route = ("route", route)
            counters["requests_total"][of_route, ("verdict", verdict), ("status", str(status))] = tally.requests
            counters["bytes_total"][of_route, ("direction", "in")] += tally.bytes_in
            counters["bytes_total"][of_route, ("direction", "out")] += tally.bytes_out
            counters["seconds_total"][(of_route,)] += tally.seconds
        return counters

    def _counter_lines(self) -> Iterator[str]:
        counters = self._counters()
        for name, text in _HELP.items():
            yield f"# HELP {_PREFIX}_{name} {text}"
            yield f"# TYPE {_PREFIX}_{name} counter"
            for labels, value in sorted(counters[name].items()):
                inner = ",".join(f'{key}="{label}"' for key, label in labels)
                yield f"{_PREFIX}_{name}{{{inner}}} {value:g}"


def _gauge_lines(gauges: dict[str, tuple[str, float]]) -> Iterator[str]:
    for name, (text, value) in gauges.items():
        yield f"# HELP {_PREFIX}_{name} {text}"
        yield f"# TYPE {_PREFIX}_{name} gauge"
        yield f"{_PREFIX}_{name} {value:g}"
