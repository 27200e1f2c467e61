# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters in Prometheus' text format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

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


class Metrics:
    """Counts; what is a state rather than a count is given to ``render``."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._counters: dict[str, defaultdict[Labels, float]] = {name: defaultdict(float) for name in _HELP}

    def add(self, name: str, labels: Labels, amount: float = 1) -> None:
        """Add to a counter."""
        self._counters[name][labels] += amount

    def value(self, name: str) -> float:
        """Return a counter's sum over all labels."""
        return sum(self._counters[name].values())

    def render(self, gauges: dict[str, tuple[str, float]]) -> str:
        """Write all counters, and the gauges, each with its help."""
        return "\n".join([*self._counter_lines(), *_gauge_lines(gauges)]) + "\n"

    def _counter_lines(self) -> Iterator[str]:
        for name, text in _HELP.items():
            yield f"# HELP {_PREFIX}_{name} {text}"
            yield f"# TYPE {_PREFIX}_{name} counter"
            for labels, value in sorted(self._counters[name].items()):
                inner = ",".join(f'{key}="{label}"' for key, label in labels)
                yield f"{_PREFIX}_{name}{{{inner}}} {value:g}"


def _gauge_lines(gauges: dict[str, tuple[str, float]]) -> Iterator[str]:
    for name, (text, value) in gauges.items():
        yield f"# HELP {_PREFIX}_{name} {text}"
        yield f"# TYPE {_PREFIX}_{name} gauge"
        yield f"{_PREFIX}_{name} {value:g}"
