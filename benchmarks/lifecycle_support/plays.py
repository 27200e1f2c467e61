# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same five rules as two plays: ours with one task, community.aws with one a rule, as its module takes them."""

from __future__ import annotations

from typing import Any

Play = list[dict[str, Any]]

ACCESS = {
    "endpoint_url": "{{ endpoint_url }}",
    "access_key": "{{ access_key }}",
    "secret_key": "{{ secret_key }}",
    "region": "us-east-1",
}
RULES = [
    {"id": "old-versions", "prefix": "workspaces/", "noncurrent_expiration_days": 30},
    {"id": "archive", "prefix": "workspaces/", "transitions": [{"days": 90, "storage_class": "GLACIER"}]},
    {"id": "end", "prefix": "workspaces/", "expiration_days": 270},
    {"id": "uploads", "prefix": "workspaces/", "abort_incomplete_multipart_upload_days": 7},
    {"id": "logs", "prefix": "logs/", "expiration_days": 30},
]
COMMUNITY_RULES = [
    {"rule_id": "old-versions", "prefix": "workspaces/", "noncurrent_version_expiration_days": 30},
    {"rule_id": "archive", "prefix": "workspaces/", "transition_days": 90, "storage_class": "glacier"},
    {"rule_id": "end", "prefix": "workspaces/", "expiration_days": 270},
    {"rule_id": "uploads", "prefix": "workspaces/", "abort_incomplete_multipart_upload_days": 7},
    {"rule_id": "logs", "prefix": "logs/", "expiration_days": 30},
]


def _play(tasks: Play) -> Play:
    return [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]


PLAYS: dict[str, Play] = {
    "ours": _play([{"bulkhead.workspace.s3_bucket_lifecycle": {"bucket": "{{ bucket }}", **ACCESS, "rules": RULES}}]),
    "community": _play(
        [{"community.aws.s3_lifecycle": {"name": "{{ bucket }}", **ACCESS, **rule}} for rule in COMMUNITY_RULES]
    ),
}
