# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls to S3, and nothing else: the only file that touches boto3.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import LifecycleError
from .explain import explain
from .plan import Present


@dataclass(frozen=True)
class Access:
    """How to reach the server. An empty text means: not given."""

    endpoint_url: str = ""
    region: str = ""
    profile: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    ca_bundle: str = ""
    connect_timeout: int = 5
    read_timeout: int = 20
    attempts: int = 3
    instance_metadata: bool = False

    @property
    def shown_endpoint(self) -> str:
        return self.endpoint_url or "the AWS endpoint"


class Bucket:
    """One bucket on one server. Every failure leaves as a LifecycleError."""

    def __init__(self, name: str, access: Access) -> None:
        self._name = name
        self._access = access
        self._is_ceph = False
        self._client = self._guard("connect to S3", "", lambda: _client(access))

    def present(self) -> Present:
        """The bucket's versioning and lifecycle. A bucket without a lifecycle has no rules: that is no error."""
        versioning = self._call("read the versioning", "s3:GetBucketVersioning", "get_bucket_versioning")
        try:
            lifecycle = self._call(
                "read the lifecycle", "s3:GetLifecycleConfiguration", "get_bucket_lifecycle_configuration"
            )
        except LifecycleError as error:
            response = getattr(error.__cause__, "response", {})
            if response.get("Error", {}).get("Code") != "NoSuchLifecycleConfiguration":
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

    @property
    def is_ceph(self) -> bool:
        """Whether the answers so far came from Ceph's RGW, which numbers its requests tx0000..."""
        return self._is_ceph

    def _call(self, act: str, permission: str, method: str, **arguments: Any) -> dict[str, Any]:
        function = getattr(self._client, method)
        response: dict[str, Any] = self._guard(
            f"{act} of bucket {self._name}", permission, lambda: function(Bucket=self._name, **arguments)
        )
        request_id = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-request-id", "")
        self._is_ceph = self._is_ceph or request_id.startswith("tx0000")
        return response

    def _guard(self, act: str, permission: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:  # every exception of botocore, whose tree has no root that covers all
            raise LifecycleError(
                explain(error, act=act, permission=permission, endpoint=self._access.shown_endpoint)
            ) from error


def _client(access: Access) -> Any:
    import boto3  # here, so that the module can say what to install when it is missing
    from botocore.config import Config

    if not access.instance_metadata:
        # botocore would otherwise ask 169.254.169.254 for credentials, and wait.
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    session = boto3.session.Session(
        profile_name=access.profile or None,
        region_name=access.region or None,
        aws_access_key_id=access.access_key or None,
        aws_secret_access_key=access.secret_key or None,
        aws_session_token=access.session_token or None,
    )
    config = Config(
        connect_timeout=access.connect_timeout,
        read_timeout=access.read_timeout,
        retries={"total_max_attempts": access.attempts, "mode": "standard"},
        # A bucket of one's own server is seldom a host name of its own.
        s3={"addressing_style": "path" if access.endpoint_url else "auto"},
    )
    return session.client(
        "s3", endpoint_url=access.endpoint_url or None, verify=access.ca_bundle or None, config=config
    )
