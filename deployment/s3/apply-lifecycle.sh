#!/usr/bin/env bash
# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Applies lifecycle-policy.json to a bucket: looks for the bucket, switches versioning on, writes the rules, prints them.
# Uses Python's boto3 or, where there is none, the aws command line. Credentials, region and AWS_ENDPOINT_URL come from
# the environment, as with any AWS tool.
set -euo pipefail

die() {
    echo "apply-lifecycle: $*" >&2
    exit 1
}

[[ $# -eq 1 || ($# -eq 2 && $2 == --replace) ]] || die "usage: apply-lifecycle.sh BUCKET [--replace]"
bucket=$1
policy=$(cat "$(dirname "$0")/lifecycle-policy.json")

# Never wait for the metadata service of a cloud machine that may not be one, nor minutes for a server.
export AWS_EC2_METADATA_DISABLED=${AWS_EC2_METADATA_DISABLED:-true} AWS_PAGER=
export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=${AWS_MAX_ATTEMPTS:-3}

# s3api OPERATION JSON: both tools take a call's parameters in the same JSON.
if python3 -c 'import boto3' 2>/dev/null; then
    s3api() {
        python3 -c '
import json, os, sys
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
try:
    client = boto3.client(
        "s3",
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL"),  # releases before 1.28 do not look there
        config=Config(connect_timeout=5, read_timeout=20),
    )
    answer = getattr(client, sys.argv[1].replace("-", "_"))(**json.loads(sys.argv[2]))
except (BotoCoreError, ClientError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
answer.pop("ResponseMetadata", None)
print(json.dumps(answer, indent=2, default=str))' "$1" "$2"
    }
elif command -v aws >/dev/null; then
    s3api() {
        # Releases before 2.13 do not look at AWS_ENDPOINT_URL.
        aws s3api "$1" --cli-input-json "$2" --output json --cli-connect-timeout 5 --cli-read-timeout 20 \
            ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"}
    }
else
    die "cannot reach S3: neither Python's boto3 nor the aws command line is installed; install one"
fi

s3api head-bucket "{\"Bucket\": \"$bucket\"}" >/dev/null ||
    die "cannot find bucket $bucket: see above; create it, or correct its name, the credentials or AWS_ENDPOINT_URL"

# Writing replaces the whole configuration, so rules of others would be lost.
if present=$(s3api get-bucket-lifecycle-configuration "{\"Bucket\": \"$bucket\"}" 2>&1); then
    foreign=$(grep -o '"ID": "[^"]*"' <<<"$present" | grep -v '"bulkhead-' | sort -u || true)
    [[ -z $foreign || ${2:-} == --replace ]] ||
        die "cannot write the lifecycle of $bucket: it has rules of others, which would be lost:" $foreign \
            "(add them to lifecycle-policy.json, give --replace, or use the role s3_lifecycle, which merges)"
elif ! grep -q NoSuchLifecycleConfiguration <<<"$present"; then
    die "cannot read the lifecycle of $bucket: $present"
fi

# Versioning comes first: without it, an expiration would delete for good.
s3api put-bucket-versioning "{\"Bucket\": \"$bucket\", \"VersioningConfiguration\": {\"Status\": \"Enabled\"}}" >/dev/null ||
    die "cannot switch on the versioning of $bucket: see above"
s3api put-bucket-lifecycle-configuration "{\"Bucket\": \"$bucket\", \"LifecycleConfiguration\": $policy}" >/dev/null ||
    die "cannot write the lifecycle of $bucket: see above; versioning was switched on"
s3api get-bucket-lifecycle-configuration "{\"Bucket\": \"$bucket\"}"
