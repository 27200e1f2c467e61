# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules over the wire, and what they do: a bucket grown older day by day on a server that runs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from rgw import client, cluster  # noqa: E402  the path above leads to it

BUCKET = "workspace-archive"


@pytest.fixture(scope="module")
def s3() -> Any:
    server = cluster.load()
    assert server is not None, "the S3 server does not run; molecule starts it in create"
    return client.connect(server)


def versions(s3: Any, key: str) -> list[str]:
    return client.versions(s3, BUCKET, key)


def test_the_server_has_the_policy_and_the_foreign_rule(s3: Any) -> None:
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]}
    assert sorted(rules) == [
        "bulkhead-archive",
        "bulkhead-delete-markers",
        "bulkhead-expire",
        "bulkhead-incomplete-uploads",
        "bulkhead-old-versions",
        "somebody-elses",
    ]
    assert rules["bulkhead-old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert rules["bulkhead-archive"]["Transitions"] == [{"Days": 90, "StorageClass": "GLACIER"}]
    assert rules["bulkhead-expire"]["Expiration"]["Days"] == 270
    assert rules["bulkhead-incomplete-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert rules["somebody-elses"]["Expiration"]["Days"] == 400
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


def delete_all_versions(s3: Any, key: str) -> None:
    for entry in s3.list_object_versions(Bucket=BUCKET, Prefix=key)["Versions"]:
        s3.delete_object(Bucket=BUCKET, Key=key, VersionId=entry["VersionId"])


def test_what_happens_on_which_day(s3: Any) -> None:
    """One bucket, one walk through time: each step says 'not before' and 'done after'.

    Keys that live past day 90 have one version: RGW loses the current one of others at the transition.
    """
    for key in ("workspaces/twice", "workspaces-old/twice"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"first")
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"second")
    for key in ("workspaces/once", "workspaces-old/once", "top"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"only")
    s3.put_object(Bucket=BUCKET, Key="workspaces/deleted", Body=b"by its user")
    s3.delete_object(Bucket=BUCKET, Key="workspaces/deleted")
    for key in ("workspaces/broken-off", "workspaces-old/broken-off"):
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)

    cluster.age(BUCKET, 6)
    assert client.uploads(s3, BUCKET) == ["workspaces-old/broken-off", "workspaces/broken-off"]
    cluster.age(BUCKET, 8)
    assert client.uploads(s3, BUCKET) == ["workspaces-old/broken-off"]

    cluster.age(BUCKET, 29)
    assert versions(s3, "workspaces/twice") == ["STANDARD", "STANDARD"]
    assert versions(s3, "workspaces/deleted") == ["marker", "STANDARD"]
    cluster.age(BUCKET, 31)
    assert versions(s3, "workspaces/twice") == ["STANDARD"]
    assert versions(s3, "workspaces/deleted") == ["marker"]
    cluster.age(BUCKET, 32)
    assert versions(s3, "workspaces/deleted") == []
    assert versions(s3, "workspaces-old/twice") == ["STANDARD", "STANDARD"]
    delete_all_versions(s3, "workspaces/twice")

    cluster.age(BUCKET, 89)
    assert versions(s3, "workspaces/once") == ["STANDARD"]
    cluster.age(BUCKET, 91)
    assert versions(s3, "workspaces/once") == ["GLACIER"]

    cluster.age(BUCKET, 269)
    assert versions(s3, "workspaces/once") == ["GLACIER"]
    cluster.age(BUCKET, 271)
    assert versions(s3, "workspaces/once") == ["marker", "GLACIER"]

    cluster.age(BUCKET, 300)
    assert versions(s3, "workspaces/once") == ["marker", "GLACIER"]
    cluster.age(BUCKET, 302)
    assert versions(s3, "workspaces/once") == ["marker"]
    cluster.age(BUCKET, 303)
    assert versions(s3, "workspaces/once") == []

    assert versions(s3, "workspaces-old/twice") == ["STANDARD", "STANDARD"]
    for key in ("workspaces-old/once", "top"):
        assert versions(s3, key) == ["STANDARD"]
    assert client.uploads(s3, BUCKET) == ["workspaces-old/broken-off"]
