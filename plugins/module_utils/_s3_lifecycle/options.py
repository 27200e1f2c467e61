# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's options. Note that this module util is PRIVATE to the collection."""

from __future__ import annotations

from typing import Any

from .._s3.options import ACCESS

_TRANSITION: dict[str, Any] = {
    "days": {"type": "int", "required": True},
    "storage_class": {"type": "str", "required": True},
}

RULE: dict[str, Any] = {
    "id": {"type": "str", "required": True},
    "enabled": {"type": "bool", "default": True},
    "prefix": {"type": "str", "default": ""},
    "tags": {"type": "dict"},
    "object_size_greater_than": {"type": "int"},
    "object_size_less_than": {"type": "int"},
    "expiration_days": {"type": "int"},
    "expired_object_delete_marker": {"type": "bool"},
    "noncurrent_expiration_days": {"type": "int"},
    "newer_noncurrent_versions": {"type": "int"},
    "transitions": {"type": "list", "elements": "dict", "options": _TRANSITION},
    "noncurrent_transitions": {
        "type": "list",
        "elements": "dict",
        "options": {**_TRANSITION, "newer_noncurrent_versions": {"type": "int"}},
    },
    "abort_incomplete_multipart_upload_days": {"type": "int"},
}

ARGUMENTS: dict[str, Any] = {
    "bucket": {"type": "str", "required": True},
    "rules": {"type": "list", "elements": "dict", "options": RULE, "default": []},
    "absent_ids": {"type": "list", "elements": "str", "default": []},
    "purge_rules": {"type": "bool", "default": False},
    "versioning": {"type": "bool", "default": True},
    "transition_default_minimum_object_size": {
        "type": "str",
        "choices": ["all_storage_classes_128K", "varies_by_storage_class"],
    },
    "forecast": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "key": {"type": "str", "required": True, "no_log": False},
            "size": {"type": "int", "required": True},
            "tags": {"type": "dict", "default": {}},
        },
    },
    **ACCESS,
    "wait_timeout": {"type": "int", "default": 60},
}
