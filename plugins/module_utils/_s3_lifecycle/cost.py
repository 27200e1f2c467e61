# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a retention policy costs a month, and from which size on an archive class saves anything. Pure.

Note that this module util is PRIVATE to the collection.

Every price is the caller's. The overheads are those of the Amazon S3 User Guide: each object in GLACIER or DEEP_ARCHIVE
costs 32 KB more at the class's own rate and 8 KB at STANDARD's, and is billed for a minimum of days however early it
ends. GLACIER_IR, STANDARD_IA and ONEZONE_IA bill at least 128 KB an object instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GIB = 1024**3
KIB = 1024
DAYS_A_MONTH = 365 / 12


@dataclass(frozen=True)
class _Class:
    """Bytes that each object adds at the class's rate and at STANDARD's, fewest bytes and days that are billed."""

    own_overhead: int = 0
    standard_overhead: int = 0
    least_bytes: int = 0
    least_days: int = 0


_CLASSES = {
    "STANDARD_IA": _Class(least_bytes=128 * KIB, least_days=30),
    "ONEZONE_IA": _Class(least_bytes=128 * KIB, least_days=30),
    "INTELLIGENT_TIERING": _Class(),
    "GLACIER_IR": _Class(least_bytes=128 * KIB, least_days=90),
    "GLACIER": _Class(own_overhead=32 * KIB, standard_overhead=8 * KIB, least_days=90),
    "DEEP_ARCHIVE": _Class(own_overhead=32 * KIB, standard_overhead=8 * KIB, least_days=180),
}


@dataclass(frozen=True, kw_only=True)
class Prices:
    """One currency. Storage a GiB and month, transitions each."""

    standard: float
    archive: float
    transition: float


@dataclass(frozen=True, kw_only=True)
class Stay:
    """How an object spends its life: days in STANDARD, then days in the archive class (0: it never moves)."""

    standard_days: float
    archive_days: float
    archive_class: str


def prices(table: Mapping[str, Any], storage_class: str) -> Prices:
    """From tables of prices by storage class; KeyError names what is missing."""
    return Prices(
        standard=float(table["storage_gib_month"]["STANDARD"]),
        archive=float(table["storage_gib_month"][storage_class]),
        transition=float(table["transitions_per_thousand"][storage_class]) / 1000,
    )


def object_cost(size: int, stay: Stay, price: Prices) -> float:
    """What one object costs from its first to its last day."""
    kind = _CLASSES[stay.archive_class]
    in_standard = size * price.standard * stay.standard_days
    if not stay.archive_days:
        return in_standard / GIB / DAYS_A_MONTH
    days = max(stay.archive_days, kind.least_days)
    in_archive = (max(size, kind.least_bytes) + kind.own_overhead) * price.archive * days
    index = kind.standard_overhead * price.standard * days
    return (in_standard + in_archive + index) / GIB / DAYS_A_MONTH + price.transition


def break_even(days: float, storage_class: str, price: Prices) -> int | None:
    """Bytes from which on moving saves money over staying in STANDARD for `days`; None when it never does.

    size * standard * days = (size + own) * archive * days + index * standard * days + transition, solved for size.
    """
    kind = _CLASSES[storage_class]
    billed = max(days, kind.least_days)
    saved = price.standard * days - price.archive * billed
    if saved <= 0:
        return None
    fixed = (kind.own_overhead * price.archive + kind.standard_overhead * price.standard) * billed
    size = (fixed + price.transition * GIB * DAYS_A_MONTH) / saved
    if size < kind.least_bytes:
        # Below the least size that is billed, the archive's part does not shrink with the object any more.
        flat = kind.least_bytes * price.archive * billed + fixed + price.transition * GIB * DAYS_A_MONTH
        size = flat / (price.standard * days)
    return round(size)


def monthly(load: Mapping[str, Any], policy: Mapping[str, Any], table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steady state, when each month as much ends as comes: one line a kind of object, then the sum.

    `load`: objects of `bytes` each, `a_month` new ones, by name. `policy`: the keys of retention.retention_rules.
    Costs are those of storage and transitions, not of requests, retrievals and traffic.
    """
    storage_class = str(policy["archive_class"])
    price = prices(table, storage_class)
    life = days_of_life(policy)
    lines = []
    for name, kind in load.items():
        size, count = int(kind["bytes"]), float(kind["a_month"])
        moves = bool(policy["archive_days"]) and size > int(policy["archive_minimum_bytes"])
        until = int(policy["archive_days"]) if moves else life
        stay = Stay(standard_days=until, archive_days=life - until, archive_class=storage_class)
        whole = Stay(standard_days=life, archive_days=0, archive_class=storage_class)
        lines.append(
            {
                "objects": name,
                "stored_gib": round(count * life / DAYS_A_MONTH * size / GIB, 2),
                "moves": moves,
                "cost": round(count * object_cost(size, stay, price), 2),
                "cost_if_it_stayed": round(count * object_cost(size, whole, price), 2),
            }
        )
    return lines


def days_of_life(policy: Mapping[str, Any]) -> int:
    """From the first day on which an object's bytes are billed to the last."""
    return int(policy["expire_days"]) + (0 if policy["expire_frees_bytes"] else int(policy["noncurrent_days"]))
