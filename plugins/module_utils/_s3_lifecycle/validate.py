# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a set of lifecycle rules. Pure.

Note that this module util is PRIVATE to the collection.

The server's own check is not enough: some accept storage classes that do not exist, an expiration before the
transition, or drop what they do not know. Every problem is found here, before anything is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from .rules import Rule

# In the order in which objects may be moved from one to the next.
STORAGE_CLASSES = (
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
)
_THIRTY_DAYS_FIRST = ("STANDARD_IA", "ONEZONE_IA")
_ACTIONS = (
    "Expiration",
    "NoncurrentVersionExpiration",
    "Transitions",
    "NoncurrentVersionTransitions",
    "AbortIncompleteMultipartUpload",
)
MOST_RULES = 1000
LONGEST_ID = 255
MOST_NEWER_VERSIONS = 100


def problems(rules: Sequence[Rule]) -> list[str]:
    """Of the user's own rules: one sentence a problem, each with the rule's id."""
    found = [f"{times} rules have the id {name!r}; give each its own" for name, times in _twice(rules)]
    for rule in rules:
        found += [f"rule {rule['ID']!r}: {problem}" for problem in _rule_problems(rule)]
    return found + together(rules)


def together(rules: Sequence[Rule]) -> list[str]:
    """Of a whole configuration, foreign rules included: what is wrong with the rules side by side."""
    found = _contradictions(rules)
    if len(rules) > MOST_RULES:
        found.append(f"{len(rules)} rules are more than the {MOST_RULES} that a bucket can have")
    return found


def _twice(rules: Sequence[Rule]) -> list[tuple[str, int]]:
    return [(name, times) for name, times in Counter(rule["ID"] for rule in rules).items() if times > 1]


def _rule_problems(rule: Rule) -> list[str]:
    found = []
    if not rule["ID"] or len(rule["ID"]) > LONGEST_ID:
        found.append(f"its id must have 1 to {LONGEST_ID} characters")
    if not any(action in rule for action in _ACTIONS):
        found.append("it does nothing; give it an expiration, a transition or an abort")
    return found + _filter_problems(rule) + _current_problems(rule) + _noncurrent_problems(rule)


def _filter_problems(rule: Rule) -> list[str]:
    found = []
    filters = rule.get("Filter", {})
    smallest, largest = filters.get("ObjectSizeGreaterThan"), filters.get("ObjectSizeLessThan")
    if smallest is not None and largest is not None and largest <= smallest + 1:
        found.append(f"no object is larger than {smallest} and smaller than {largest} bytes")
    narrow = [name for name in ("Tags", "ObjectSizeGreaterThan", "ObjectSizeLessThan") if name in filters]
    if narrow and "AbortIncompleteMultipartUpload" in rule:
        found.append("incomplete uploads have neither tags nor a size; put their removal in a rule with a prefix alone")
    if narrow and rule.get("Expiration", {}).get("ExpiredObjectDeleteMarker"):
        found.append("delete markers have neither tags nor a size; put their removal in a rule with a prefix alone")
    return found


def _current_problems(rule: Rule) -> list[str]:
    found = []
    expiration = rule.get("Expiration", {})
    days = expiration.get("Days")
    if days is not None and days < 1:
        found.append("expiration_days must be at least 1")
    if days is not None and "ExpiredObjectDeleteMarker" in expiration:
        found.append("expiration_days and expired_object_delete_marker exclude each other; make two rules")
    transitions = rule.get("Transitions", [])
    found += _transition_problems(transitions, "Days")
    for entry in transitions:
        if days is not None and "Days" in entry and entry["Days"] >= days:
            found.append(
                f"the transition to {entry['StorageClass']} on day {entry['Days']} comes after the end on day {days}"
            )
    upload_days = rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
    if upload_days is not None and upload_days < 1:
        found.append("abort_incomplete_multipart_upload_days must be at least 1")
    return found


def _noncurrent_problems(rule: Rule) -> list[str]:
    found = []
    expiration = rule.get("NoncurrentVersionExpiration", {})
    days, newer = expiration.get("NoncurrentDays"), expiration.get("NewerNoncurrentVersions")
    if days is not None and days < 1:
        found.append("noncurrent_expiration_days must be at least 1")
    if newer is not None and days is None:
        found.append("newer_noncurrent_versions needs noncurrent_expiration_days")
    transitions = rule.get("NoncurrentVersionTransitions", [])
    for kept in [newer, *(entry.get("NewerNoncurrentVersions") for entry in transitions)]:
        if kept is not None and not 1 <= kept <= MOST_NEWER_VERSIONS:
            found.append(f"newer_noncurrent_versions must be 1 to {MOST_NEWER_VERSIONS}")
    found += _transition_problems(transitions, "NoncurrentDays")
    for entry in transitions:
        if days is not None and entry["NoncurrentDays"] >= days:
            found.append(
                f"the transition of old versions to {entry['StorageClass']} on day {entry['NoncurrentDays']} comes "
                f"after their end on day {days}"
            )
    return found


def _transition_problems(transitions: Sequence[Rule], days: str) -> list[str]:
    found = []
    for entry in transitions:
        name = entry["StorageClass"]
        if name not in STORAGE_CLASSES:
            found.append(f"there is no storage class {name!r}; use one of {', '.join(STORAGE_CLASSES)}")
        if entry.get(days, 0) < 0:
            found.append(f"the transition to {name} has a negative day")
        if name in _THIRTY_DAYS_FIRST and entry.get(days, 30) < 30:
            found.append(f"objects can move to {name} from day 30 on, not on day {entry[days]}")
    known = [entry for entry in transitions if entry["StorageClass"] in STORAGE_CLASSES and days in entry]
    for first, second in pairwise(known):
        if STORAGE_CLASSES.index(second["StorageClass"]) <= STORAGE_CLASSES.index(first["StorageClass"]):
            found.append(f"objects cannot move from {first['StorageClass']} to {second['StorageClass']}")
        if first[days] == second[days]:
            found.append(f"two transitions fall on day {first[days]}")
    return found


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Whether every object that `narrow` speaks of is also one of `wide`."""
    wide_filter, narrow_filter = wide.get("Filter", {}), narrow.get("Filter", {})
    if set(wide_filter) - {"Prefix"}:
        return bool(wide_filter == narrow_filter)
    return str(narrow_filter.get("Prefix", "")).startswith(str(wide_filter.get("Prefix", "")))


def _contradictions(rules: Sequence[Rule]) -> list[str]:
    """Transitions that never happen, because another rule has ended the objects before."""
    found = []
    active = [rule for rule in rules if rule["Status"] == "Enabled"]
    for ending in active:
        days = ending.get("Expiration", {}).get("Days")
        for moving in active:
            if days is None or moving is ending or not _covers(ending, moving):
                continue
            for entry in moving.get("Transitions", []):
                if "Days" in entry and entry["Days"] >= days:
                    found.append(
                        f"rule {moving['ID']!r}: its transition on day {entry['Days']} never happens, since rule "
                        f"{ending['ID']!r} ends the same objects on day {days}"
                    )
    return found
