# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Desired rules x present configuration -> what to send, and how to show it. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .rules import Rule, canonical, to_api


@dataclass(frozen=True)
class Present:
    """What the bucket has: rules as the server spells them, its versioning, its default smallest size to move."""

    rules: Sequence[Mapping[str, Any]]
    versioning: str | None
    minimum_size: str | None


@dataclass(frozen=True)
class Plan:
    """What is to be sent. `rules` holds foreign rules as the server spelled them, ours in canonical spelling."""

    before: Present
    rules: Sequence[Mapping[str, Any]]
    enable_versioning: bool
    minimum_size: str | None
    ours: frozenset[str] = frozenset()

    @property
    def state_before(self) -> tuple[Sequence[Mapping[str, Any]], str | None]:
        return self.before.rules, self.before.minimum_size

    def shown_after(self, rules: Sequence[Mapping[str, Any]], minimum_size: str | None) -> tuple[Any, ...]:
        """What to compare after writing. The default size counts only if it was sent: servers add theirs."""
        return by_id(rules), minimum_size if self.minimum_size else None

    @property
    def change_rules(self) -> bool:
        return by_id(self.before.rules) != by_id(self.rules) or self.minimum_size != self.before.minimum_size

    @property
    def changed(self) -> bool:
        return self.enable_versioning or self.change_rules

    @property
    def versioning_after(self) -> str | None:
        return "Enabled" if self.enable_versioning else self.before.versioning

    def diff(self) -> dict[str, Any]:
        return {
            "before": _shown(self.before.rules, self.before.versioning, self.before.minimum_size),
            "after": _shown(self.rules, self.versioning_after, self.minimum_size),
        }


def by_id(rules: Sequence[Mapping[str, Any]]) -> dict[str, Rule]:
    return {rule.get("ID", ""): canonical(rule) for rule in rules}


def _shown(rules: Sequence[Mapping[str, Any]], versioning: str | None, minimum_size: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"versioning": versioning or "never enabled", "rules": by_id(rules)}
    if minimum_size is not None:
        shown["transition_default_minimum_object_size"] = minimum_size
    return shown


def make_plan(
    present: Present,
    wanted: Sequence[Rule],
    *,
    absent_ids: Collection[str] = (),
    purge: bool = False,
    versioning: bool = True,
    minimum_size: str | None = None,
) -> Plan:
    """Merges by rule id: wanted rules replace their namesakes, others stay untouched unless named or purged."""
    wanted_ids = {rule["ID"] for rule in wanted}
    foreign = [
        rule
        for rule in present.rules
        if not purge and rule.get("ID", "") not in wanted_ids and rule.get("ID", "") not in set(absent_ids)
    ]
    return Plan(
        before=present,
        rules=[*foreign, *(to_api(rule) for rule in wanted)],
        enable_versioning=versioning and present.versioning != "Enabled",
        minimum_size=minimum_size or present.minimum_size,
        ours=frozenset(wanted_ids),
    )


def lost(wanted: Sequence[Mapping[str, Any]], kept: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the server did not keep of the rules it was sent: 'RULE: FIELD'."""
    kept_by_id = by_id(kept)
    found = []
    for name, rule in by_id(wanted).items():
        if name not in kept_by_id:
            found.append(f"{name}: the whole rule")
            continue
        kept_flat = dict(_flat(kept_by_id[name]))
        found += [f"{name}: {field}" for field, value in _flat(rule) if kept_flat.get(field) != value]
    return found


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [pair for key, entry in value.items() for pair in _flat(entry, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        return [pair for number, entry in enumerate(value) for pair in _flat(entry, f"{path}[{number}]")]
    return [(path, value)]


def ceph_warning(rules: Sequence[Mapping[str, Any]]) -> str | None:
    """Ceph's RGW (16 to 20) loses the current version of objects whose old version was deleted before they move."""
    active = [rule for rule in by_id(rules).values() if rule["Status"] == "Enabled"]
    moving = [rule["ID"] for rule in active if "Transitions" in rule]
    ending = [rule["ID"] for rule in active if "NoncurrentVersionExpiration" in rule]
    if not moving or not ending:
        return None
    return (
        f"this server is Ceph's RGW: with rule {moving[0]!r} moving objects to another storage class and rule "
        f"{ending[0]!r} deleting old versions, RGW 16 to 20 loses the current version of objects that had an old one; "
        "leave the transition out there (s3_lifecycle_archive_days: 0)"
    )
