# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every field of a rule over the wire: to a server that keeps them all, and to Ceph, which drops some of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from . import module
from .double import Double
from .policy import rules

EVERYTHING: list[dict[str, Any]] = [
    {
        "id": "tagged",
        "prefix": "w/",
        "tags": {"team": "a", "keep": "no"},
        "object_size_greater_than": 10,
        "object_size_less_than": 1000,
        "transitions": [
            {"days": 0, "storage_class": "INTELLIGENT_TIERING"},
            {"days": 90, "storage_class": "GLACIER_IR"},
            {"days": 180, "storage_class": "DEEP_ARCHIVE"},
        ],
        "expiration_days": 400,
    },
    {
        "id": "old-versions",
        "noncurrent_transitions": [{"days": 30, "storage_class": "GLACIER", "newer_noncurrent_versions": 2}],
        "noncurrent_expiration_days": 60,
        "newer_noncurrent_versions": 5,
    },
    {"id": "one-tag", "tags": {"k": ""}, "transitions": [{"days": 30, "storage_class": "STANDARD_IA"}]},
    {"id": "uploads", "abort_incomplete_multipart_upload_days": 7, "expired_object_delete_marker": True},
    {"id": "off", "enabled": False, "prefix": "x/", "transitions": [{"days": 30, "storage_class": "ONEZONE_IA"}]},
]
SENT = {
    "tagged": {
        "And": {
            "Prefix": "w/",
            "Tags": [{"Key": "keep", "Value": "no"}, {"Key": "team", "Value": "a"}],
            "ObjectSizeGreaterThan": 10,
            "ObjectSizeLessThan": 1000,
        }
    },
    "one-tag": {"Tag": {"Key": "k", "Value": ""}},
}
_numbers = itertools.count(1)


@pytest.fixture
def options(double: Double) -> dict[str, Any]:
    name = f"fields-{next(_numbers)}"
    double.client().create_bucket(Bucket=name)
    return {**double.access, "bucket": name}


def lifecycle(options: dict[str, Any], *, check: bool = False, **more: Any) -> dict[str, Any]:
    return module.run("s3_bucket_lifecycle", {**options, **more}, check=check)


def present(double: Double, bucket: str) -> dict[str, Any]:
    answer = double.client().get_bucket_lifecycle_configuration(Bucket=bucket)
    return {rule["ID"]: rule for rule in answer["Rules"]}


def test_everything_arrives_and_the_second_run_changes_nothing(options: dict[str, Any], double: Double) -> None:
    foretold = lifecycle(options, check=True, rules=EVERYTHING)
    assert foretold["changed"], foretold
    first = lifecycle(options, rules=EVERYTHING)
    assert first["changed"], first
    assert foretold["diff"] == first["diff"]
    assert not lifecycle(options, rules=EVERYTHING[::-1])["changed"]
    found = present(double, options["bucket"])
    assert {name: found[name]["Filter"] for name in SENT} == SENT
    assert [move["StorageClass"] for move in found["tagged"]["Transitions"]] == [
        "INTELLIGENT_TIERING",
        "GLACIER_IR",
        "DEEP_ARCHIVE",
    ]
    assert found["old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 60, "NewerNoncurrentVersions": 5}
    assert found["old-versions"]["NoncurrentVersionTransitions"][0]["NewerNoncurrentVersions"] == 2
    assert found["off"]["Status"] == "Disabled"


def test_the_roles_default_with_its_size_filter_is_whole(options: dict[str, Any]) -> None:
    policy = rules(archive_minimum_bytes=262144)
    sizes = [262144, 262145]
    told = lifecycle(options, rules=policy, forecast=[{"key": "workspaces/a", "size": size} for size in sizes])
    assert told["changed"], told
    assert [len(one["events"]) for one in told["forecast"]] == [3, 4]
    assert not lifecycle(options, rules=policy)["changed"]


def test_foreign_rules_stay_until_purged(options: dict[str, Any], double: Double) -> None:
    foreign = {"ID": "theirs", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 400}}
    double.client().put_bucket_lifecycle_configuration(
        Bucket=options["bucket"], LifecycleConfiguration={"Rules": [foreign]}
    )
    ours = [{"id": "ours", "prefix": "w/", "expiration_days": 9}]
    assert set(lifecycle(options, rules=ours)["rules"]) == {"theirs", "ours"}
    assert set(lifecycle(options, rules=ours, purge_rules=True, check=True)["rules"]) == {"ours"}
    assert set(present(double, options["bucket"])) == {"theirs", "ours"}
    assert lifecycle(options, rules=ours, purge_rules=True)["changed"]
    assert set(present(double, options["bucket"])) == {"ours"}
    assert not lifecycle(options, rules=ours, purge_rules=True)["changed"]


def test_the_default_of_128_kb_is_said(options: dict[str, Any]) -> None:
    wanted = [{"id": "move", "transitions": [{"days": 1, "storage_class": "GLACIER"}]}]
    small = [{"key": "a", "size": 131071}, {"key": "b", "size": 131072}]
    told = lifecycle(options, rules=wanted, forecast=small)
    assert told["transition_default_minimum_object_size"] == "all_storage_classes_128K"
    assert [len(one["events"]) for one in told["forecast"]] == [0, 1]
    assert (
        "it has less than 131072 bytes, and S3 leaves such objects out of moves to GLACIER"
        in (told["forecast"][0]["note"])
    )


def test_ceph_drops_fields_which_are_named_and_taken_back(access: dict[str, str], bucket: str, s3: Any) -> None:
    before = {"id": "before", "prefix": "b/", "expiration_days": 5}
    options = {**access, "bucket": bucket, "wait_timeout": 3}
    assert lifecycle(options, rules=[before])["changed"]
    # A new rule beside a changed one shows at once that something is missing; the former rules come back.
    newer = {"id": "newer", "noncurrent_expiration_days": 5, "newer_noncurrent_versions": 2}
    told = lifecycle(options, rules=[{**before, "expiration_days": 6}, newer])["msg"]
    assert "the server did not keep newer: NoncurrentVersionExpiration.NewerNoncurrentVersions" in told
    assert "the former lifecycle is in place again" in told
    kept = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [(rule["ID"], rule["Expiration"]["Days"]) for rule in kept] == [("before", 5)]
    told = lifecycle(options, rules=[before], transition_default_minimum_object_size="varies_by_storage_class")["msg"]
    assert "without transition_default_minimum_object_size" in told


def test_rules_that_never_fire_in_this_bucket_are_refused(access: dict[str, str], bucket: str, s3: Any) -> None:
    options = {**access, "bucket": bucket}
    told = lifecycle(options, rules=[{"id": "x", "noncurrent_expiration_days": 5}], versioning=False)["msg"]
    assert "rule 'x' can never fire: the bucket has no versioning" in told
    foreign = {"ID": "theirs", "Prefix": "", "Status": "Enabled", "Expiration": {"Days": 10}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [foreign]})
    told = lifecycle(options, rules=[{"id": "x", "prefix": "w/", "expiration_days": 20}])["msg"]
    assert "rule 'x': its end on day 20 never happens, since rule 'theirs' ends the same objects on day 10" in told
