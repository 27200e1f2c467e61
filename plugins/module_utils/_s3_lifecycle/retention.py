# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment guide's retention, as rules. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OLD_VERSIONS = "bulkhead-old-versions"
ARCHIVE = "bulkhead-archive"
EXPIRE = "bulkhead-expire"
DELETE_MARKERS = "bulkhead-delete-markers"
INCOMPLETE_UPLOADS = "bulkhead-incomplete-uploads"
RULE_IDS = (OLD_VERSIONS, ARCHIVE, EXPIRE, DELETE_MARKERS, INCOMPLETE_UPLOADS)


def retention_rules(
    *,
    prefix: str,
    noncurrent_days: int,
    archive_days: int,
    archive_class: str,
    archive_minimum_bytes: int,
    expire_days: int,
    expire_frees_bytes: bool,
    abort_upload_days: int,
) -> list[dict[str, Any]]:
    """The rules as entries of the module's option `rules`. A number of days of 0 leaves its rule out.

    One rule an action: a filter on size may not stand beside the removal of delete markers or uploads, and each rule
    can then be looked up by what it does.
    """
    rules: list[dict[str, Any]] = []
    if noncurrent_days:
        rules.append({"id": OLD_VERSIONS, "prefix": prefix, "noncurrent_expiration_days": noncurrent_days})
    if archive_days:
        archive: dict[str, Any] = {
            "id": ARCHIVE,
            "prefix": prefix,
            "transitions": [{"days": archive_days, "storage_class": archive_class}],
        }
        if archive_minimum_bytes:
            archive["object_size_greater_than"] = archive_minimum_bytes
        rules.append(archive)
    if expire_days:
        days = hidden_on(expire_days, noncurrent_days) if expire_frees_bytes else expire_days
        rules.append({"id": EXPIRE, "prefix": prefix, "expiration_days": days})
    rules.append({"id": DELETE_MARKERS, "prefix": prefix, "expired_object_delete_marker": True})
    if abort_upload_days:
        rules.append(
            {"id": INCOMPLETE_UPLOADS, "prefix": prefix, "abort_incomplete_multipart_upload_days": abort_upload_days}
        )
    return rules


def hidden_on(freed_on: int, noncurrent_days: int) -> int:
    """The day for an expiration whose bytes are to be gone when a bucket without versioning would delete them.

    There, S3 rounds up to midnight once. Here it does so twice: when the object becomes an old version, and when the
    old version ends. The second time costs the one day.
    """
    return freed_on - noncurrent_days - 1


def absent_ids(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rules of ours that the present settings leave out, and that an earlier run may have made."""
    present = {rule["id"] for rule in rules}
    return [name for name in RULE_IDS if name not in present]
