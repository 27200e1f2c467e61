# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the server, and what the tests ask it again and again."""

from __future__ import annotations

from typing import Any

from .cluster import Cluster

REGION = "us-east-1"


def connect(cluster: Cluster, *, access_key: str = "", secret_key: str = "") -> Any:
    """As the server's own user, or as another one."""
    import boto3  # here: starting and ending the server needs no library

    return boto3.client(
        "s3",
        endpoint_url=cluster.endpoint_url,
        aws_access_key_id=access_key or cluster.access_key,
        aws_secret_access_key=secret_key or cluster.secret_key,
        region_name=REGION,
    )


def ensure_bucket(s3: Any, name: str) -> bool:
    """Makes the bucket unless it is there; whether it was made."""
    if name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        return False
    s3.create_bucket(Bucket=name)
    return True


def versions(s3: Any, bucket: str, key: str) -> list[str]:
    """Storage class of each version of the key, current first; a delete marker is 'marker'."""
    answer = s3.list_object_versions(Bucket=bucket, Prefix=key)
    found = [(entry["LastModified"], entry["IsLatest"], entry["StorageClass"]) for entry in answer.get("Versions", [])]
    found += [(entry["LastModified"], entry["IsLatest"], "marker") for entry in answer.get("DeleteMarkers", [])]
    return [kind for _, _, kind in sorted(found, key=lambda entry: (not entry[1], entry[0]))]


def uploads(s3: Any, bucket: str) -> list[str]:
    """Keys of the uploads that were never completed."""
    return [entry["Key"] for entry in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
