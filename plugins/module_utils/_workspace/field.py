# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""One field of a container: where Docker keeps it, what it shall be, how both sides are made comparable.

Docker's create request and its answer to an inspection have the same shape, except that the request has
the keys of "Config" at its top. So one path serves payload and comparison, and the two cannot drift apart.
Comparison is strict: what the live container has more than the specification is a difference too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .specification import Specification


def unchanged(value: Any) -> Any:
    """For values that both sides spell alike."""
    return value


@dataclass(frozen=True, kw_only=True)
class Field:
    """A row of Docker's side of the option table."""

    name: str
    path: tuple[str, ...]
    wanted: Callable[[Specification], Any]
    normal: Callable[[Any], Any] = unchanged
    sent: bool = True
    updatable: bool = False


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One value that is not as specified."""

    name: str
    wanted: Any
    live: Any
    updatable: bool = False

    def __str__(self) -> str:
        return f"{self.name}: is {self.live!r}, wanted {self.wanted!r}"


def create_payload(fields: Iterable[Field], specification: Specification) -> dict[str, Any]:
    """The body of Docker's create request."""
    body: dict[str, Any] = {}
    for row in fields:
        if not row.sent:
            continue
        *parents, key = row.path[1:] if row.path[0] == "Config" else row.path
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = row.wanted(specification)
    return body


def update_payload(fields: Iterable[Field], specification: Specification) -> dict[str, Any]:
    """The body of Docker's update request. A zero would mean "as before" there, so it is left out."""
    wanted = {row.path[-1]: row.wanted(specification) for row in fields if row.updatable}
    return {key: value for key, value in wanted.items() if value}


def live_value(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path of Docker's answer; None where Docker left it out."""
    place: Any = document
    for key in path:
        if not isinstance(place, Mapping):
            return None
        place = place.get(key)
    return place


def differences(
    fields: Iterable[Field], specification: Specification, inspected: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """Every difference between the live container and the specification, one entry for each leaf."""
    found: list[Difference] = []
    for row in fields:
        wanted = row.normal(row.wanted(specification))
        live = row.normal(live_value(inspected, row.path))
        if wanted == live:
            continue
        if isinstance(wanted, dict) and isinstance(live, dict):
            found += [
                Difference(name=f"{row.name}.{key}", wanted=wanted.get(key), live=live.get(key))
                for key in sorted(wanted.keys() | live.keys())
                if wanted.get(key) != live.get(key)
            ]
        else:
            # Docker can change a limit in place, but cannot lift it: see update_payload.
            updatable = row.updatable and bool(wanted)
            found.append(Difference(name=row.name, wanted=wanted, live=live, updatable=updatable))
    return tuple(found)


def described(fields: Iterable[Field], specification: Specification) -> dict[str, Any]:
    """The specification in normal form, for the diff of a container that is created."""
    return {row.name: row.normal(row.wanted(specification)) for row in fields if row.sent}
