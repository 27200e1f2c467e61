# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every benchmark shares: interleaved repeats, medians, a table, and ``build/bench/NAME.json``.

Contenders take turns, so that a machine which grows slower or faster meanwhile does so for all of them. What is worth
quoting is a ratio of two medians from one run; the absolute figures are kept beside it, with their machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Series:
    """One contender's measurements of one thing, all in the same unit."""

    name: str
    values: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median; 0 for fewer than four values."""
        if len(self.values) < 4 or not self.median:
            return 0.0
        low, _, high = statistics.quantiles(self.values, n=4)
        return (high - low) / 2 / self.median


@dataclass(frozen=True)
class Contender:
    """Something to be timed. ``before`` and ``after`` run around each repeat and are not counted."""

    name: str
    act: Callable[[], object]
    before: Callable[[], object] = field(default=lambda: None)
    after: Callable[[], object] = field(default=lambda: None)


def interleave(contenders: Sequence[Contender], *, repeats: int, warm_up: int = 1) -> dict[str, Series]:
    """Times every contender ``repeats`` times in turns, in seconds, after ``warm_up`` rounds that do not count."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for turn in range(-warm_up, repeats):
        for contender in contenders:
            elapsed = _timed(contender)
            if turn >= 0:
                seconds[contender.name].append(elapsed)
    return {name: Series(name, tuple(values)) for name, values in seconds.items()}


def _timed(contender: Contender) -> float:
    contender.before()
    try:
        began = time.perf_counter()
        contender.act()
        return time.perf_counter() - began
    finally:
        contender.after()


def ratio(ours: Series, theirs: Series) -> float:
    """Our median divided by theirs: below 1, ours is the smaller."""
    return ours.median / theirs.median


def publish(
    name: str,
    series: Sequence[Series],
    ratios: Mapping[str, float],
    *,
    wanted: Mapping[str, str] | None = None,
    versions: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    **more: Any,
) -> Path:
    """Prints the table and writes ``build/bench/NAME.json``.

    ``wanted``: the limit of a ratio as text, such as ``"<= 0.25"``; ``versions``: what each peer is; ``more``: further
    figures for the file. Returns the file's path.
    """
    result = {
        "name": name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": dict(versions or {}),
        "ratios": {key: float(f"{value:.4g}") for key, value in ratios.items()},
        "series": {
            one.name: {"unit": one.unit, "median": one.median, "spread": one.spread, "values": list(one.values)}
            for one in series
        },
        "notes": list(notes),
        **more,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(result, indent=2) + "\n")
    print(_table(name, series, result["ratios"], wanted or {}, notes))
    print(f"\n{file.relative_to(ROOT)}")
    return file


def machine() -> dict[str, str]:
    """What the figures were made on: processors in use, kernel, Python."""
    return {
        "processors": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def _table(
    name: str, series: Sequence[Series], ratios: Mapping[str, float], wanted: Mapping[str, str], notes: Sequence[str]
) -> str:
    width = max([len(one.name) for one in series] + [len(key) for key in ratios], default=0)
    measured = [
        f"  {one.name:<{width}}  {one.median:12.6g} {one.unit}  ±{one.spread:.0%}  n={len(one.values)}"
        for one in series
    ]
    compared = [
        f"  {key:<{width}}  {value:8.4g}  {_judged(wanted.get(key, ''))}".rstrip() for key, value in ratios.items()
    ]
    title = f"{name}: medians, with half the distance between the quartiles"
    return "\n".join([title, *measured, "", "ratios", *compared, *(f"  {note}" for note in notes)])


def _judged(limit: str) -> str:
    return f"wanted {limit}" if limit else ""
