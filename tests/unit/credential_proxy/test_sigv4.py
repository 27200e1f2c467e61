# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signer beside botocore's, which is the oracle: 10,000 generated requests, equal to the last byte."""

from __future__ import annotations

import datetime
import hashlib
import random
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from credential_proxy.aws.sigv4 import Scope, Signable, signature_fields
from credential_proxy.secret import AwsKeys, Secret

REQUESTS = 10_000
MODELS = (
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "us.anthropic.claude-opus-4-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-v1:0",
    "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3",
)
PIECES = (*"abcXYZ019-._~:/@!$&'()*+,;=", "%3A", "%3a", "%2F", "%25", "%253A", "%20", "%E2%82%AC", "//", "/./", "/../")
REGIONS = ("us-east-1", "eu-central-1", "us-gov-west-1", "ap-southeast-2")


def random_path(choose: random.Random) -> str:
    """Make a path as it could stand in a request line."""
    if choose.random() < 0.5:
        model = quote(choose.choice(MODELS), safe=choose.choice(("", ":", ":/")))
        return f"/model/{model}/{choose.choice(('invoke', 'converse', 'converse-stream', 'count-tokens'))}"
    return "/" + "".join(choose.choices(PIECES, k=choose.randrange(20)))


def random_query(choose: random.Random) -> str:
    """Make a query, often an empty one, with repeated names and empty values."""
    names = ("type", "maxResults", "nextToken", "a", "A", "b%20c", "é".encode().hex())
    values = ("", "1", "x%2Fy", "SYSTEM_DEFINED", "%C3%A9")
    pairs = [f"{choose.choice(names)}={choose.choice(values)}" for _ in range(3)]
    return "&".join(pairs[: choose.randrange(4)])


def as_botocore_signs(
    request: Signable, scope: Scope, keys: AwsKeys, body: bytes, when: datetime.datetime, patch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Return the header fields that botocore adds."""
    patch.setattr(auth, "get_current_datetime", lambda: when.replace(tzinfo=None))
    headers = {"Host": request.host, "X-Amz-Content-SHA256": request.payload_sha256}
    if request.content_type:
        headers["Content-Type"] = request.content_type.decode("latin-1")
    url = f"https://{request.host}{request.target}"
    theirs = AWSRequest(method=request.method, url=url, data=body, headers=headers)
    token = keys.session_token.reveal().decode() if keys.session_token else None
    credentials = Credentials(keys.access_key_id, keys.secret_access_key.reveal().decode(), token)
    auth.SigV4Auth(credentials, scope.service, scope.region).add_auth(theirs)
    return {name.lower(): value for name, value in theirs.headers.items()}


def test_equal_to_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    choose = random.Random(20261122)  # noqa: S311
    for number in range(REQUESTS):
        body = choose.randbytes(choose.randrange(64))
        query = random_query(choose)
        scope = Scope(choose.choice(REGIONS), "bedrock")
        request = Signable(
            method=choose.choice(("POST", "GET")),
            host=f"bedrock-runtime.{scope.region}.amazonaws.com",
            target=random_path(choose) + ("?" + query if query else ""),
            content_type=choose.choice((b"", b"application/json", b"application/json;  charset=utf-8")),
            payload_sha256=hashlib.sha256(body).hexdigest(),
        )
        token = Secret(b"token/" + choose.randbytes(24).hex().encode()) if number % 2 else None
        keys = AwsKeys("AKIA" + "0123456789ABCDEF", Secret(choose.randbytes(20).hex().encode()), token)
        when = datetime.datetime.fromtimestamp(choose.randrange(2**31), datetime.UTC)
        theirs = as_botocore_signs(request, scope, keys, body, when, monkeypatch)
        ours = signature_fields(request, scope, keys, when=when.timestamp())
        for line in ours:
            name, _colon, value = line.decode("ascii").partition(": ")
            assert theirs[name] == value, (number, name, request.target)
        assert {line.partition(b":")[0] for line in ours} >= {b"authorization", b"x-amz-date"}
