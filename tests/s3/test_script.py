# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""deployment/s3/apply-lifecycle.sh, with boto3 and with the aws command line, against Ceph and the double."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from . import module
from .double import Double

SCRIPT = module.ROOT / "deployment" / "s3" / "apply-lifecycle.sh"
POLICY = json.loads((SCRIPT.parent / "lifecycle-policy.json").read_text())
_numbers = itertools.count(1)


def path_to(kind: str, home: Path) -> str:
    """A PATH that leads to one of the two tools only, or to neither."""
    for tool in ("bash", "cat", "dirname", "grep", "sort"):
        (home / tool).symlink_to(f"/usr/bin/{tool}")
    if kind == "boto3":
        (home / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    else:
        (home / "python3").write_text("#!/bin/sh\nexit 1\n")
    (home / "python3").chmod(0o755)
    if kind == "aws":
        (home / "aws").symlink_to("/usr/bin/aws")
    return str(home)


@pytest.fixture(params=["boto3", "aws"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return path_to(request.param, tmp_path)


def run(path: str, access: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": path,
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": access["endpoint_url"],
        "AWS_ACCESS_KEY_ID": access["access_key"],
        "AWS_SECRET_ACCESS_KEY": access["secret_key"],
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, timeout=100)
    assert "Traceback" not in done.stderr
    return done


def test_it_needs_one_of_two_tools(tmp_path: Path, access: dict[str, str]) -> None:
    told = run(path_to("neither", tmp_path), access, "any").stderr
    assert "neither Python's boto3 nor the aws command line is installed" in told


def test_it_looks_switches_versioning_on_writes_and_prints(path: str, double: Double) -> None:
    s3, bucket = double.client(), f"script-{next(_numbers)}"
    s3.create_bucket(Bucket=bucket)
    done = run(path, double.access, bucket)
    assert done.returncode == 0, done.stderr
    by_id = {rule["ID"]: rule for rule in POLICY["Rules"]}
    assert {rule["ID"]: rule for rule in json.loads(done.stdout)["Rules"]} == by_id
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert run(path, double.access, bucket).stdout == done.stdout


def test_rules_of_others_are_refused_unless_replaced(path: str, access: dict[str, str], bucket: str, s3: Any) -> None:
    foreign = {"ID": "theirs", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 400}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [foreign]})
    done = run(path, access, bucket)
    assert (done.returncode, '"ID": "theirs"' in done.stderr) == (1, True)
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert run(path, access, bucket, "--replace").returncode == 0
    found = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {rule["ID"] for rule in found} == {rule["ID"] for rule in POLICY["Rules"]}


@pytest.mark.parametrize(
    ("changes", "bucket_name", "told"),
    [
        ({}, "no-such-bucket", "cannot find bucket no-such-bucket: see above; create it"),
        ({"secret_key": "wrong"}, "any", "cannot find bucket any: see above"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "any", "Could not connect to the endpoint URL"),
    ],
)
def test_what_fails_is_said(
    path: str, access: dict[str, str], changes: dict[str, str], bucket_name: str, told: str
) -> None:
    done = run(path, {**access, **changes}, bucket_name)
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr


def test_it_takes_a_bucket(path: str, access: dict[str, str]) -> None:
    assert "usage: apply-lifecycle.sh BUCKET [--replace]" in run(path, access).stderr
