# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules do to one object, day by day. Pure.

Note that this module util is PRIVATE to the collection.

The object is written once, on day 0, and not touched again. Each day is the earliest: S3 rounds up to midnight UTC and
then takes its time, so "day 90" is in the night after the object is 90 days old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .rules import Rule

# What AWS leaves where it is, for rules without a filter on size (since September 2024).
DEFAULT_MINIMUM = 128 * 1024
EVERYWHERE = "all_storage_classes_128K"
# Classes into which small objects do move under the other choice, varies_by_storage_class.
_TAKE_SMALL = ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True)
class Example:
    """An object to foretell: key, bytes, tags."""

    key: str
    size: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """What happens on a day, and by which rule."""

    day: int
    what: str
    rule: str

    def shown(self) -> dict[str, Any]:
        return {"day": self.day, "what": self.what, "rule": self.rule}


def forecast(rules: Sequence[Rule], example: Example, *, versioned: bool, minimum_size: str) -> list[Event]:
    """All that happens to the object, in order. `minimum_size`: the bucket's choice for small ones, '' for none."""
    acting = [rule for rule in rules if rule["Status"] == "Enabled" and _speaks_of(rule, example)]
    end = _first(acting, "Expiration", "Days")
    events = [event for event in _moves(acting, example, minimum_size) if end is None or event.day < end.day]
    if end is None:
        return events
    if not versioned:
        return [*events, Event(end.day, "it is deleted", end.rule)]
    events.append(Event(end.day, "a delete marker hides it; its bytes stay, as an old version", end.rule))
    gone = _first(acting, "NoncurrentVersionExpiration", "NoncurrentDays")
    if gone is None:
        return events
    events.append(Event(end.day + gone.day, "its bytes are deleted", gone.rule))
    sweeper = next((rule["ID"] for rule in acting if rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker")), "")
    if sweeper:
        events.append(Event(end.day + gone.day, "the bare delete marker is removed, in the next run", sweeper))
    return events


def note(rules: Sequence[Rule], example: Example, minimum_size: str) -> str:
    """Why the object stays where it is although a rule moves its like; empty when none does or it moves."""
    held = [
        f"{move['StorageClass']} (rule {rule['ID']!r})"
        for rule in rules
        if rule["Status"] == "Enabled" and _speaks_of(rule, example)
        for move in rule.get("Transitions", [])
        if _held_back(rule, example, move["StorageClass"], minimum_size)
    ]
    if not held:
        return ""
    return (
        f"it has less than {DEFAULT_MINIMUM} bytes, and S3 leaves such objects out of moves to {', '.join(held)} "
        f"(transition_default_minimum_object_size: {minimum_size})"
    )


def _speaks_of(rule: Rule, example: Example) -> bool:
    filters: Mapping[str, Any] = rule.get("Filter", {})
    return (
        example.key.startswith(filters.get("Prefix", ""))
        and example.size > filters.get("ObjectSizeGreaterThan", -1)
        and ("ObjectSizeLessThan" not in filters or example.size < filters["ObjectSizeLessThan"])
        and all(example.tags.get(tag["Key"]) == tag["Value"] for tag in filters.get("Tags", []))
    )


def _held_back(rule: Rule, example: Example, storage_class: str, minimum_size: str) -> bool:
    """A filter on size in the rule itself counts more than the bucket's choice."""
    if {"ObjectSizeGreaterThan", "ObjectSizeLessThan"} & set(rule.get("Filter", {})):
        return False
    small = example.size < DEFAULT_MINIMUM
    return small and bool(minimum_size) and (minimum_size == EVERYWHERE or storage_class not in _TAKE_SMALL)


def _moves(acting: Sequence[Rule], example: Example, minimum_size: str) -> list[Event]:
    events = [
        Event(move["Days"], f"it moves to {move['StorageClass']}", rule["ID"])
        for rule in acting
        for move in rule.get("Transitions", [])
        if "Days" in move and not _held_back(rule, example, move["StorageClass"], minimum_size)
    ]
    return sorted(events, key=lambda event: event.day)


def _first(acting: Sequence[Rule], action: str, days: str) -> Event | None:
    """The earliest of the rules with this action."""
    found = [Event(rule[action][days], action, rule["ID"]) for rule in acting if days in rule.get(action, {})]
    return min(found, key=lambda event: event.day, default=None)


def shown(rules: Sequence[Rule], example: Example, *, versioned: bool, minimum_size: str) -> dict[str, Any]:
    """The forecast of one object as the module returns it."""
    events = forecast(rules, example, versioned=versioned, minimum_size=minimum_size)
    return {
        "key": example.key,
        "size": example.size,
        "events": [event.shown() for event in events],
        "note": note(rules, example, minimum_size),
    }
