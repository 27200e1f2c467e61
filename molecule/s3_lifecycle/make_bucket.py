# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the bucket of this scenario, with a rule of somebody else in the old spelling, unless it is there."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests"))

from rgw import client, cluster

FOREIGN_RULE = {"ID": "somebody-elses", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 400}}

server = cluster.load()
if server is None:
    sys.exit("cannot make a bucket: the S3 server does not run; molecule starts it in create")
s3 = client.connect(server)
if client.ensure_bucket(s3, sys.argv[1]):
    s3.put_bucket_lifecycle_configuration(Bucket=sys.argv[1], LifecycleConfiguration={"Rules": [FOREIGN_RULE]})
