# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sets of defences are switched off, and what must be seen then. Pure.

A probe names the defences that each stop its act alone. So with a set S switched off, an act must succeed if S holds
all that its probe names, and fail otherwise. Tried are:

- every defence alone, with all probes: those that do not name it stay green;
- for every combination D that some probe names: D as a whole, where the act must succeed, and D without one of its
  members, for each of them, where that member alone must stop it.

So each defence is seen to be necessary (its own probes, or those of D, turn red) and sufficient (with all of D but this
one switched off, they stay green).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.defences import DEFENCES, closed_over
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.verdict import expected_open

Names = tuple[str, ...]


def sets() -> list[Names]:
    """What is switched off, run by run."""
    found: dict[frozenset[str], Names] = {closed_over([name]): (name,) for name in DEFENCES}
    together = sorted({tuple(sorted(probe.defences)) for probe in PROBES.values()})
    all_but_one = (tuple(name for name in named if name != left) for named in together for left in named)
    for off in (*together, *all_but_one):
        if off:
            found.setdefault(closed_over(off), off)
    return list(found.values())


def concerned(off: Names) -> list[str]:
    """The probes to run: all where one defence is off, else those that name one of the set."""
    if len(off) == 1:
        return list(PROBES)
    gone = closed_over(off)
    return [
        name
        for name, probe in PROBES.items()
        if set(probe.defences) <= gone or (gone & set(probe.defences) and not probe.heavy)
    ]


def deviations(off: Sequence[str], result: Mapping[str, Any]) -> list[str]:
    """What a run saw and should not have; empty when all is as expected."""
    if result.get("failed"):
        return [f"{'+'.join(off)}: {result.get('msg', 'failed')}"]
    seen, expected = set(result["open"]), expected_red(off, result)
    unsupported = {name for name, entry in result["attacks"].items() if lacks(entry)}
    told = [f"{'+'.join(off)}: {name} is red and should be green" for name in sorted(seen - expected)]
    told += [f"{'+'.join(off)}: {name} is green and should be red" for name in sorted(expected - seen - unsupported)]
    broken = [name for name, entry in result["attacks"].items() if entry["status"] == "error"]
    return told + [f"{'+'.join(off)}: {name} did not report" for name in broken]


def expected_red(off: Sequence[str], result: Mapping[str, Any]) -> set[str]:
    """Of the probes that were tried, those whose every defence is off."""
    return expected_open(result["attacks"], closed_over(off))


def lacks(entry: Mapping[str, Any]) -> bool:
    """Whether the kernel of the machine has no such call, or the image no such program: nothing can turn red there."""
    return "ENOSYS" in entry["evidence"] or "EAFNOSUPPORT" in entry["evidence"] or "No such file" in entry["evidence"]


def matrix(results: Mapping[Names, Mapping[str, Any]]) -> list[str]:
    """A Markdown row for each defence: what its probes did with it switched off, alone and together."""
    rows = [
        "| defence | layer | probes that turn red without it alone | ... only with others off as well | as expected |"
    ]
    rows.append("|---|---|---|---|---|")
    for name, defence in DEFENCES.items():
        alone = results.get((name,), {})
        red = _red(name, alone)
        together = {
            probe
            for off, result in results.items()
            if name in closed_over(off) and len(off) > 1
            for probe in _red(name, result)
        }
        bad = [line for off, result in results.items() if name in off for line in deviations(off, result)]
        # What was never seen red is no evidence, however quiet the runs were.
        verdict = "no" if bad else "yes" if red or together else "not seen yet"
        seen = f"{_listed(red)} | {_listed(together - set(red))} | {verdict}"
        rows.append(f"| `{name}` | {defence.layer} | {seen} |")
    return rows


def runs(results: Mapping[Names, Mapping[str, Any]]) -> list[str]:
    """A Markdown row for each run: what was off, what turned red, and whether that is exactly what should."""
    rows = [
        "| switched off | goes off with it | red | expected red | exactly | kernel lacks |",
        "|---|---|---|---|---|---|",
    ]
    for off, result in results.items():
        also = sorted(closed_over(off) - set(off))
        expected = expected_red(off, result)
        missing = sorted(expected - set(result["open"]))
        exact = "no" if deviations(off, result) else "yes"
        counts = f"{len(result['open'])} | {len(expected)}"
        rows.append(f"| {_listed(off)} | {_listed(also)} | {counts} | {exact} | {_listed(missing)} |")
    return rows


def _red(defence: str, result: Mapping[str, Any]) -> list[str]:
    """The probes that named a defence on that machine, and turned red."""
    return [probe for probe in result.get("open") or [] if defence in result["attacks"][probe]["defences"]]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "-"
