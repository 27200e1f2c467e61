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
from collections.abc import Collection, Sequence
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
# The end of a life, the moves before it, how both count days, and what to call it.
_LIVES = (
    ("Expiration", "Transitions", "Days", "the same objects"),
    ("NoncurrentVersionExpiration", "NoncurrentVersionTransitions", "NoncurrentDays", "the same old versions"),
)
MOST_RULES = 1000
LONGEST_ID = 255
MOST_NEWER_VERSIONS = 100
# Of the tags that an object can have.
MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 10, 128, 256


def problems(rules: Sequence[Rule]) -> list[str]:
    """Of the user's own rules: one sentence a problem, each with the rule's id."""
    found = [f"{times} rules have the id {name!r}; give each its own" for name, times in _twice(rules)]
    for rule in rules:
        found += [f"rule {rule['ID']!r}: {problem}" for problem in _rule_problems(rule)]
    return found + together(rules, {rule["ID"] for rule in rules})


def together(rules: Sequence[Rule], ours: Collection[str]) -> list[str]:
    """Of a whole configuration: what is wrong with our rules beside the others. Those of others are not judged."""
    found = _never_fires(rules, ours)
    if len(rules) > MOST_RULES:
        found.append(f"{len(rules)} rules are more than the {MOST_RULES} that a bucket can have")
    return found


def without_versioning(rules: Sequence[Rule]) -> list[str]:
    """Rules that wait for old versions or delete markers, which a bucket without versioning never has."""
    return [
        f"rule {rule['ID']!r} can never fire: the bucket has no versioning, so it has neither old versions nor delete "
        "markers; set versioning: true, or leave the rule out"
        for rule in rules
        if rule["Status"] == "Enabled"
        and set(rule) & {"NoncurrentVersionExpiration", "NoncurrentVersionTransitions", "Expiration"}
        and not set(rule) & {"Transitions", "AbortIncompleteMultipartUpload"}
        and not set(rule.get("Expiration", {})) & {"Days", "Date"}
    ]


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
    if smallest is not None and smallest < 0:
        found.append("object_size_greater_than must be at least 0")
    if largest is not None and largest < 1:
        found.append("object_size_less_than must be at least 1, since no object has fewer than 0 bytes")
    tags = filters.get("Tags", [])
    if len(tags) > MOST_TAGS:
        found.append(f"no object has more than {MOST_TAGS} tags, so one with {len(tags)} does not exist")
    found += [
        f"tag {tag['Key']!r} is too long: a key has 1 to {LONGEST_KEY} characters, a value up to {LONGEST_VALUE}"
        for tag in tags
        if not 1 <= len(tag["Key"]) <= LONGEST_KEY or len(tag["Value"]) > LONGEST_VALUE
    ]
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


def _never_fires(rules: Sequence[Rule], ours: Collection[str]) -> list[str]:
    """What another rule prevents, because it has ended the same objects or old versions before."""
    active = [rule for rule in rules if rule["Status"] == "Enabled"]
    return [
        problem
        for ending in active
        for late in active
        if late is not ending and {late["ID"], ending["ID"]} & set(ours) and _covers(ending, late)
        for life in _LIVES
        for problem in _too_late(ending, late, *life)
    ]


def _too_late(ending: Rule, late: Rule, end_field: str, moves_field: str, days: str, what: str) -> list[str]:
    end = ending.get(end_field, {}).get(days)
    if end is None or "NewerNoncurrentVersions" in ending[end_field]:  # the latter spares some, whatever their age
        return []
    prevented = f"never happens, since rule {ending['ID']!r} ends {what} on day {end}"
    found = [
        f"rule {late['ID']!r}: its transition on day {move[days]} {prevented}"
        for move in late.get(moves_field, [])
        if move.get(days, -1) >= end
    ]
    own_end = late.get(end_field, {}).get(days)
    if own_end is not None and own_end > end:
        found.append(f"rule {late['ID']!r}: its end on day {own_end} {prevented}")
    return found
