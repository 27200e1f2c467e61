# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to an S3 server: the only file that makes a client of boto3.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import S3Error
from .explain import code_of, explain


@dataclass(frozen=True)
class Access:
    """How to reach the server. An empty text means: not given. Time-outs in seconds."""

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


class Connection:
    """One server. Every failure leaves as an S3Error."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._is_ceph = False
        self.client = self.guard("connect to S3", "", lambda: _client(access))

    @property
    def is_ceph(self) -> bool:
        """Whether the answers so far came from Ceph's RGW, which numbers its requests tx0000..."""
        return self._is_ceph

    def call(self, act: str, permission: str, method: str, **arguments: Any) -> dict[str, Any]:
        """One request of the API; `act` says what for, with the object, and `permission` what it takes."""
        function = getattr(self.client, method)
        response: dict[str, Any] = self.guard(act, permission, lambda: function(**arguments))
        request_id = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-request-id", "")
        self._is_ceph = self._is_ceph or request_id.startswith("tx0000")
        return response

    def guard(self, act: str, permission: str, work: Callable[[], Any]) -> Any:
        """What `work` returns, or an S3Error in place of whatever it raises."""
        try:
            return work()
        except Exception as error:  # every exception of botocore, whose tree has no root that covers all
            message = explain(error, act=act, permission=permission, endpoint=self._access.shown_endpoint)
            raise S3Error(message, code_of(error)) from error


def _client(access: Access) -> Any:
    import boto3  # here, so that what needs no S3 works without the library
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
