# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the bucket of this scenario, with a rule of somebody else in the old spelling, unless it is there."""

from __future__ import annotations

import sys

import boto3

FOREIGN_RULE = {"ID": "somebody-elses", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 400}}

client = boto3.client("s3")
name = sys.argv[1]
if name not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
    client.create_bucket(Bucket=name)
    client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [FOREIGN_RULE]})
