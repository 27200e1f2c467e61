# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls about a bucket's lifecycle, and nothing else.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._s3.connection import Access, Connection
from .._s3.errors import S3Error
from .plan import Present


class Bucket:
    """One bucket on one server. Every failure leaves as an S3Error."""

    def __init__(self, name: str, access: Access) -> None:
        self._name = name
        self._connection = Connection(access)

    @property
    def is_ceph(self) -> bool:
        return self._connection.is_ceph

    def present(self) -> Present:
        """The bucket's versioning and lifecycle. A bucket without a lifecycle has no rules: that is no error."""
        versioning = self._call("read the versioning", "s3:GetBucketVersioning", "get_bucket_versioning")
        try:
            lifecycle = self._call(
                "read the lifecycle", "s3:GetLifecycleConfiguration", "get_bucket_lifecycle_configuration"
            )
        except S3Error as error:
            if error.code != "NoSuchLifecycleConfiguration":
                raise
            lifecycle = {}
        return Present(
            rules=lifecycle.get("Rules", []),
            versioning=versioning.get("Status"),
            minimum_size=lifecycle.get("TransitionDefaultMinimumObjectSize"),
        )

    def enable_versioning(self) -> None:
        self._call(
            "enable the versioning",
            "s3:PutBucketVersioning",
            "put_bucket_versioning",
            VersioningConfiguration={"Status": "Enabled"},
        )

    def write_rules(self, rules: Sequence[Mapping[str, Any]], minimum_size: str | None) -> None:
        """Replaces the whole configuration; the server knows no smaller step."""
        permission = "s3:PutLifecycleConfiguration"
        if not rules:
            self._call("delete the lifecycle", permission, "delete_bucket_lifecycle")
            return
        # Without this header, the server would fall back to its default.
        extra = {"TransitionDefaultMinimumObjectSize": minimum_size} if minimum_size else {}
        self._call(
            "write the lifecycle",
            permission,
            "put_bucket_lifecycle_configuration",
            LifecycleConfiguration={"Rules": list(rules)},
            **extra,
        )

    def _call(self, act: str, permission: str, method: str, **arguments: Any) -> dict[str, Any]:
        return self._connection.call(
            f"{act} of bucket {self._name}", permission, method, Bucket=self._name, **arguments
        )
