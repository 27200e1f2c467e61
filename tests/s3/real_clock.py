# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default policy on a server whose days have one second: nothing jumps, its own thread runs the rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rgw import client
from rgw.cluster import Cluster

from . import module
from .policy import rules

BUCKET = "real-clock"
# How many days late an act may be on a busy machine; and how early, since Ceph counts whole seconds.
LATE, EARLY = 60, 1

State = Callable[[Any], bool]


def versions(key: str, wanted: list[str]) -> State:
    return lambda s3: client.versions(s3, BUCKET, key) == wanted


# Day before which it must not be so, what it is, and how to see it.
TIMELINE: tuple[tuple[int, str, State], ...] = (
    (7, "the incomplete upload is gone", lambda s3: client.uploads(s3, BUCKET) == ["workspaces-old/broken-off"]),
    (30, "the old version is gone", versions("workspaces/twice", ["STANDARD"])),
    (30, "the data behind the user's delete marker is gone, then the marker", versions("workspaces/deleted", [])),
    (90, "the object is in GLACIER", versions("workspaces/once", ["GLACIER"])),
    (270, "it is hidden", versions("workspaces/once", ["marker", "GLACIER"])),
    (300, "its bytes are gone, then the marker", versions("workspaces/once", [])),
)


def walk(home: Path, *, last_day: int) -> list[tuple[str, float]]:
    """Starts a server of its own and waits for what happens up to `last_day`; each with the day it was seen on."""
    rgw = [sys.executable, str(module.ROOT / "tests" / "rgw")]
    environment = {**os.environ, "BULKHEAD_RGW_HOME": str(home)}
    try:
        started = subprocess.run([*rgw, "up", "--seconds-a-day", "1"], env=environment, check=True, capture_output=True)
        facts = json.loads(started.stdout)
        s3 = client.connect(Cluster(**facts, processes=()))
        s3.create_bucket(Bucket=BUCKET)
        options = {**facts, "region": client.REGION, "bucket": BUCKET, "rules": rules()}
        result = module.run("s3_bucket_lifecycle", options)
        assert result["changed"], result
        return _watch(s3, _fill(s3), last_day)
    finally:
        subprocess.run([*rgw, "down"], env=environment, check=True, capture_output=True)


def _fill(s3: Any) -> float:
    began = time.monotonic()
    for key in ("workspaces/once", "workspaces-old/once"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"only")
    for key in ("workspaces/twice", "workspaces-old/twice"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"first")
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"second")
    s3.put_object(Bucket=BUCKET, Key="workspaces/deleted", Body=b"by its user")
    s3.delete_object(Bucket=BUCKET, Key="workspaces/deleted")
    for key in ("workspaces/broken-off", "workspaces-old/broken-off"):
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    return began


def _watch(s3: Any, began: float, last_day: int) -> list[tuple[str, float]]:
    seen = []
    for day, what, is_so in (step for step in TIMELINE if step[0] <= last_day):
        while not is_so(s3):
            assert time.monotonic() - began < day + LATE, f"not even on day {day + LATE}: {what}"
            time.sleep(0.2)
        passed = time.monotonic() - began
        assert passed >= day - EARLY, f"too early, on day {passed:.1f}: {what}"
        seen.append((what, passed))
    assert client.versions(s3, BUCKET, "workspaces-old/twice") == ["STANDARD", "STANDARD"]
    assert client.versions(s3, BUCKET, "workspaces-old/once") == ["STANDARD"]
    return seen
