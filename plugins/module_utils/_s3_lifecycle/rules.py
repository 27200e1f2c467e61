# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifecycle rules in three spellings: module options, the server's, and one canonical form to compare. Pure.

Note that this module util is PRIVATE to the collection.

The canonical form is the API's with every freedom taken out: a flat filter, transitions sorted by day, no empty or
default entries, plain numbers, dates as text. Two rules mean the same exactly when their canonical forms are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Rule = dict[str, Any]

# Module option -> API field, for the plain numbers.
_FILTER_FIELDS = {
    "prefix": "Prefix",
    "object_size_greater_than": "ObjectSizeGreaterThan",
    "object_size_less_than": "ObjectSizeLessThan",
}


def _without_none(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if value is not None}


def from_options(options: Mapping[str, Any]) -> Rule:
    """One entry of the module's option `rules` -> canonical form."""
    flat = {field: options.get(option) for option, field in _FILTER_FIELDS.items()}
    flat["Tags"] = [{"Key": key, "Value": str(value)} for key, value in (options.get("tags") or {}).items()]
    transitions = [
        {"Days": entry["days"], "StorageClass": entry["storage_class"]} for entry in options.get("transitions") or []
    ]
    noncurrent_transitions = [
        _without_none(
            {
                "NoncurrentDays": entry["days"],
                "StorageClass": entry["storage_class"],
                "NewerNoncurrentVersions": entry.get("newer_noncurrent_versions"),
            }
        )
        for entry in options.get("noncurrent_transitions") or []
    ]
    return canonical(
        {
            "ID": options["id"],
            "Status": "Disabled" if options.get("enabled") is False else "Enabled",
            "Filter": flat,
            "Expiration": {
                "Days": options.get("expiration_days"),
                "ExpiredObjectDeleteMarker": options.get("expired_object_delete_marker"),
            },
            "NoncurrentVersionExpiration": {
                "NoncurrentDays": options.get("noncurrent_expiration_days"),
                "NewerNoncurrentVersions": options.get("newer_noncurrent_versions"),
            },
            "Transitions": transitions,
            "NoncurrentVersionTransitions": noncurrent_transitions,
            "AbortIncompleteMultipartUpload": {
                "DaysAfterInitiation": options.get("abort_incomplete_multipart_upload_days")
            },
        }
    )


def _flat_filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Prefix on top (the old spelling), Filter with one entry, Filter with And: all become one flat table."""
    filters = dict(rule.get("Filter") or {})
    flat = {**filters, **dict(filters.pop("And", None) or {})}
    flat.pop("And", None)
    if "Prefix" in rule and "Prefix" not in flat:
        flat["Prefix"] = rule["Prefix"]
    tags = list(flat.pop("Tags", None) or [])
    if flat.get("Tag"):
        tags.append(flat["Tag"])
    flat.pop("Tag", None)
    if tags:
        flat["Tags"] = sorted(({"Key": tag["Key"], "Value": tag["Value"]} for tag in tags), key=lambda tag: tag["Key"])
    if not flat.get("Prefix"):
        flat.pop("Prefix", None)
    return flat


def _empty(value: Any) -> bool:
    """What a server may as well leave out. The number 0 is none of it: objects can move on day 0."""
    return value is None or value is False or value == {} or value == []


def _plain(value: Any) -> Any:
    """Dates as text; tables without empty entries."""
    if isinstance(value, Mapping):
        entries = {str(key): _plain(entry) for key, entry in value.items()}
        return {key: entry for key, entry in entries.items() if not _empty(entry)}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def canonical(rule: Mapping[str, Any]) -> Rule:
    """A rule in the API's spelling (any of them) -> the one form that is compared."""
    result: Rule = {key: value for key, value in rule.items() if key not in ("Filter", "Prefix")}
    if "Transition" in result:
        result["Transitions"] = [*result.get("Transitions", []), result.pop("Transition")]
    if "NoncurrentVersionTransition" in result:
        result["NoncurrentVersionTransitions"] = [
            *result.get("NoncurrentVersionTransitions", []),
            result.pop("NoncurrentVersionTransition"),
        ]
    for key in ("Transitions", "NoncurrentVersionTransitions"):
        if result.get(key):
            result[key] = sorted(
                result[key],
                key=lambda entry: (str(entry.get("Date", "")), entry.get("Days", entry.get("NoncurrentDays", 0))),
            )
    result["Filter"] = _flat_filter(rule)
    plain: Rule = _plain(result)
    return {"ID": rule.get("ID", ""), "Status": rule.get("Status", "Enabled"), **plain}


def to_api(rule: Rule) -> Rule:
    """Canonical form -> what PutBucketLifecycleConfiguration takes."""
    flat = dict(rule.get("Filter", {}))
    tags = flat.pop("Tags", [])
    result = {key: value for key, value in rule.items() if key != "Filter"}
    if not flat and not tags:
        result["Filter"] = {"Prefix": ""}
    elif len(flat) + len(tags) == 1:
        result["Filter"] = flat or {"Tag": tags[0]}
    else:
        result["Filter"] = {"And": {**flat, **({"Tags": tags} if tags else {})}}
    return result
