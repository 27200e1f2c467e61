# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that run: what the scenario's walk through the default policy leaves open. Ages are in days from now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rgw import client, cluster

from . import module, real_clock
from .policy import rules
from .server import gateway


@pytest.fixture
def rgw(tmp_path: Path) -> Iterator[cluster.Cluster]:
    """A server for each test: one that has several buckets with rules does not serve all of them."""
    with gateway(tmp_path / "state") as started:
        yield started


@pytest.fixture
def s3(rgw: cluster.Cluster) -> Any:
    return client.connect(rgw)


@pytest.fixture
def access(rgw: cluster.Cluster) -> dict[str, str]:
    return {**rgw.shown(), "region": client.REGION}


def apply(access: dict[str, str], bucket: str, wanted: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    result = module.run("s3_bucket_lifecycle", {**access, "bucket": bucket, "rules": wanted, **more})
    assert not result.get("failed"), result["msg"]
    return result


def test_the_switch_frees_the_bytes_on_day_270(access: dict[str, str], s3: Any, bucket: str) -> None:
    apply(access, bucket, rules(expire_frees_bytes=True))
    s3.put_object(Bucket=bucket, Key="workspaces/a", Body=b"x")

    cluster.age(bucket, 238)
    assert client.versions(s3, bucket, "workspaces/a") == ["GLACIER"]
    cluster.age(bucket, 240)
    assert client.versions(s3, bucket, "workspaces/a") == ["marker", "GLACIER"]
    cluster.age(bucket, 269)
    assert client.versions(s3, bucket, "workspaces/a") == ["marker", "GLACIER"]
    cluster.age(bucket, 271)
    assert "GLACIER" not in client.versions(s3, bucket, "workspaces/a")


def test_the_forecast_is_what_happens(access: dict[str, str], s3: Any, bucket: str) -> None:
    key = "workspaces/a"
    result = apply(access, bucket, rules(), forecast=[{"key": key, "size": 1}, {"key": "top", "size": 1}])
    events, nothing = [one["events"] for one in result["forecast"]]
    assert nothing == []
    assert [event["day"] for event in events] == [90, 270, 300, 300]
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object(Bucket=bucket, Key="top", Body=b"x")
    # Two days later each: Ceph and S3 round up to midnight, once for the end and once for the old version.
    seen = []
    for event in events[:3]:
        cluster.age(bucket, event["day"] - 1)
        before = client.versions(s3, bucket, key)
        cluster.age(bucket, event["day"] + (1 if event["day"] < 300 else 2))
        seen.append((before, client.versions(s3, bucket, key)))
    assert seen == [
        (["STANDARD"], ["GLACIER"]),
        (["GLACIER"], ["marker", "GLACIER"]),
        (["marker", "GLACIER"], ["marker"]),
    ]
    assert client.versions(s3, bucket, "top") == ["STANDARD"]


def test_cephs_bug_is_named_and_loses_data(access: dict[str, str], s3: Any, bucket: str) -> None:
    """If this fails, Ceph has mended it: then the warning may go."""
    warnings = apply(access, bucket, rules())["warnings"]
    assert any("RGW 16 to 20 loses the current version of objects that had an old one" in text for text in warnings)
    s3.put_object(Bucket=bucket, Key="workspaces/a", Body=b"first")
    s3.put_object(Bucket=bucket, Key="workspaces/a", Body=b"second")
    cluster.age(bucket, 31)
    assert client.versions(s3, bucket, "workspaces/a") == ["STANDARD"]
    cluster.age(bucket, 91)
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="workspaces/a")


def test_without_the_transition_no_version_is_lost_on_ceph(access: dict[str, str], s3: Any, bucket: str) -> None:
    warnings = apply(access, bucket, rules(archive_days=0))["warnings"]
    assert not any("RGW" in text for text in warnings)
    s3.put_object(Bucket=bucket, Key="workspaces/a", Body=b"first")
    s3.put_object(Bucket=bucket, Key="workspaces/a", Body=b"second")
    for days in (31, 91, 269):
        cluster.age(bucket, days)
    assert s3.get_object(Bucket=bucket, Key="workspaces/a")["Body"].read() == b"second"


def test_archives_survive_on_ceph_since_no_key_is_written_twice(access: dict[str, str], s3: Any, bucket: str) -> None:
    """The layout of workspace_archive: two archives of one conversation, side by side."""
    apply(access, bucket, rules())
    keys = [f"workspaces/talk/2026112{day}T000000Z-00000000/workspace.tar.zst" for day in (1, 2)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for days in (31, 91, 269):
        cluster.age(bucket, days)
    assert [client.versions(s3, bucket, key) for key in keys] == [["GLACIER"], ["GLACIER"]]


def test_tag_filters_fire_for_their_objects_only(access: dict[str, str], s3: Any, bucket: str) -> None:
    wanted = [{"id": "t", "prefix": "w/", "tags": {"keep": "no", "team": "a"}, "expiration_days": 5}]
    apply(access, bucket, wanted, versioning=False)
    for name, tags in (("both", "keep=no&team=a"), ("one", "keep=no"), ("other", "keep=yes&team=a"), ("none", "")):
        s3.put_object(Bucket=bucket, Key=f"w/{name}", Body=b"x", Tagging=tags)
    cluster.age(bucket, 7)
    left = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == ["w/none", "w/one", "w/other"]


def test_on_the_real_clock(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing but Ceph's own thread and the passing of time, with a second for a day: the first 32 days.

    `make long-lifecycle` waits for all 303.
    """
    last_day = int(os.environ.get("BULKHEAD_REAL_CLOCK_LAST_DAY", "32"))
    for what, day in real_clock.walk(tmp_path_factory.mktemp("clock") / "state", last_day=last_day):
        print(f"day {day:5.1f}  {what}")
