# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which S3 fails gives its own message, soon, and never a traceback (module.run insists on that)."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._s3.explain import explain
from rgw import client, cluster

from . import module

RULES = [{"id": "end", "prefix": "w/", "expiration_days": 9}]
# With the module's own time-outs; the client library's default would be five minutes.
LONGEST_SECONDS = 100.0

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def lifecycle(access: dict[str, str], bucket: str) -> Call:
    def call(**options: Any) -> dict[str, Any]:
        began = time.monotonic()
        result = module.run("s3_bucket_lifecycle", {**access, "bucket": bucket, "rules": RULES, **options})
        assert time.monotonic() - began < LONGEST_SECONDS
        return result

    return call


@pytest.fixture(scope="module")
def guest(rgw: cluster.Cluster) -> Any:
    """A client of another user of the server."""
    cluster.add_user("guest", "GUESTKEY", "guest-secret")
    return client.connect(rgw, access_key="GUESTKEY", secret_key="guest-secret")  # noqa: S106  of a test server


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """A web server that is no S3, and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_PUT(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in the base class
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"secret_key": "wrong"}, "the secret key does not fit the access key; correct the secret key"),
        ({"access_key": "NOBODY"}, "the server does not know the access key"),
        ({"bucket": "no-such-bucket"}, "the bucket does not exist; create it, or correct its name"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "nothing answers at http://127.0.0.1:1; start the server"),
        ({"bucket": "no bucket/name"}, "the request is not valid"),
        ({"profile": "nobodys", "access_key": "", "secret_key": ""}, "the profile is in neither of the files"),
        ({"access_key": "", "secret_key": ""}, "there are no credentials; set profile, or access_key and secret_key"),
        ({"secret_key": ""}, "access_key and secret_key go together"),
        ({"endpoint_url": "127.0.0.1:80"}, "endpoint_url '127.0.0.1:80' is no address"),
        ({"attempts": 0}, "attempts must be at least 1"),
        ({"rules": [{"id": "x", "expiration_days": 0}]}, "rule 'x': expiration_days must be at least 1"),
    ],
)
def test_each_failure_has_its_own_message(lifecycle: Call, options: dict[str, Any], told: str) -> None:
    result = lifecycle(**options)
    assert (result.get("failed"), told in result["msg"]) == (True, True), result["msg"]


def test_a_hung_server_is_given_up_with_the_default_time_outs(lifecycle: Call, silent: str) -> None:
    result = lifecycle(endpoint_url=silent)
    assert f"{silent} accepted the connection and did not answer in time" in result["msg"]


def test_a_server_without_tls(lifecycle: Call, web: tuple[str, list[str]]) -> None:
    assert f"there is no valid TLS at https://{web[0]}" in lifecycle(endpoint_url=f"https://{web[0]}")["msg"]


def test_a_server_that_is_no_s3_is_not_taken_for_a_missing_bucket(lifecycle: Call, web: tuple[str, list[str]]) -> None:
    told = lifecycle(endpoint_url=f"http://{web[0]}")["msg"]
    assert "the endpoint answers, but not as an S3 server; correct endpoint_url" in told


def test_the_metadata_service_is_asked_only_if_wanted(access: dict[str, str], web: tuple[str, list[str]]) -> None:
    options = {**access, "access_key": "", "secret_key": "", "bucket": "any"}
    address: dict[str, Any] = {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{web[0]}",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1",
    }
    for wanted in (False, True):
        result = module.run("s3_bucket_lifecycle", {**options, "instance_metadata": wanted}, **address)
        assert "there are no credentials" in result["msg"]
        assert bool(web[1]) == wanted


def test_each_missing_permission_is_named(access: dict[str, str], s3: Any, bucket: str, guest: Any) -> None:
    """One after the other is granted by a bucket policy; at last nothing is missing."""
    assert guest is not None
    options = {**access, "access_key": "GUESTKEY", "secret_key": "guest-secret", "bucket": bucket, "rules": RULES}
    needed = [
        "s3:GetBucketVersioning",
        "s3:GetLifecycleConfiguration",
        "s3:PutBucketVersioning",
        "s3:PutLifecycleConfiguration",
    ]
    for number, permission in enumerate(needed):
        told = module.run("s3_bucket_lifecycle", options)["msg"]
        assert f"the credentials are known, but lack the permission {permission}; grant it" in told
        assert "AccessDenied, HTTP 403" in told
        statement = {"Effect": "Allow", "Principal": "*", "Resource": f"arn:aws:s3:::{bucket}"}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, "Action": needed[: number + 1]}]}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert module.run("s3_bucket_lifecycle", options)["changed"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda s3: s3.create_bucket(Bucket="taken"), "the name belongs to a bucket of somebody else; choose another"),
        (lambda s3: s3.head_bucket(Bucket="taken"), "the server refuses it and says no more"),
        (
            lambda s3: s3.put_bucket_lifecycle_configuration(
                Bucket="own", LifecycleConfiguration={"Rules": [{"ID": "x", "Status": "Enabled", "Prefix": ""}]}
            ),
            "the server does not understand the rules",
        ),
        (
            lambda s3: s3.put_bucket_lifecycle_configuration(
                Bucket="own",
                LifecycleConfiguration={
                    "Rules": [{"ID": "x", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 0}}]
                },
            ),
            "the server refuses a value in the rules",
        ),
        (lambda s3: s3.get_object(Bucket="own", Key="none"), "the object does not exist"),
        (
            lambda s3: s3.restore_object(Bucket="own", Key="there", RestoreRequest={"Days": 1}),
            "the server has no such function",
        ),
    ],
)
def test_what_the_module_prevents_or_never_asks_is_explained_too(
    call: Callable[[Any], Any], told: str, s3: Any, guest: Any
) -> None:
    """Raised by the real server, put into words by what the modules share."""
    client.ensure_bucket(s3, "taken")
    client.ensure_bucket(guest, "own")
    guest.put_object(Bucket="own", Key="there", Body=b"x")
    with pytest.raises(Exception) as caught:
        call(guest)
    assert told in explain(caught.value, act="try", permission="s3:Any", endpoint="the server")
