# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workspace saved and restored, whole and interrupted, with volumes of real Docker daemons and Ceph as the server."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from native_docker import Daemon

from . import module
from .workspace import fill, picture

INTERRUPTIONS = 10
FIRST_ID = 100_000


@dataclass(frozen=True)
class Big:
    """The large workspace: where it is, what it looks like, how the module reaches it."""

    identifier: str
    root: Path
    picture: dict[str, tuple[Any, ...]]
    options: dict[str, Any]

    def manifests(self, s3: Any, prefix: str) -> list[str]:
        answer = s3.list_objects_v2(Bucket=self.options["bucket"], Prefix=f"{prefix}{self.identifier}/")
        return [entry["Key"] for entry in answer.get("Contents", []) if entry["Key"].endswith("manifest.json")]


Make = Callable[[Daemon], tuple[str, Path]]


@pytest.fixture(scope="module")
def big(remapping_daemon: Daemon, conversation: Make, s3: Any, access: dict[str, str]) -> Big:
    identifier, root = conversation(remapping_daemon)
    fill(root, FIRST_ID)
    s3.create_bucket(Bucket="big")
    options = {**access, "bucket": "big", "docker_host": remapping_daemon.url}
    return Big(identifier, root, picture(root, FIRST_ID), options)


def save(big: Big, **more: Any) -> dict[str, Any]:
    return module.run("workspace_archive", {**big.options, "conversation_id": big.identifier, **more})


def restore(big: Big, identifier: str, **more: Any) -> dict[str, Any]:
    options = {"conversation_id": identifier, "from_conversation": big.identifier, "state": "restored"}
    return module.run("workspace_archive", {**big.options, **options, **more})


def interrupted(options: Callable[[int], dict[str, Any]], usual: float, seed: int) -> Iterator[int]:
    """Starts the module again and again and kills it at random points of its usual time; yields the number of each.

    A run that was done before its point, on a machine that is faster at times, is not counted.
    """
    chance = random.Random(seed)  # noqa: S311  for the same points each time
    for turn in range(INTERRUPTIONS):
        moment = usual * (turn + chance.random()) / INTERRUPTIONS
        process = subprocess.Popen(
            module.command("workspace_archive"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=module.environment(),
        )
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(module.arguments(options(turn)))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        killed = process.poll() is None
        process.kill()
        process.wait()
        if killed:
            yield turn


def test_an_interrupted_save_is_no_archive_and_a_whole_one_comes_back_identical(
    big: Big, remapping_daemon: Daemon, conversation: Make, s3: Any
) -> None:
    new, new_root = conversation(remapping_daemon)
    began = time.monotonic()
    saved = save(big, prefix="first/")
    usual = time.monotonic() - began
    assert saved["changed"], saved
    assert saved["archive"]["tree"]["entries"]["file"] == 20_001
    assert not save(big, prefix="first/")["changed"]

    def saving(turn: int) -> dict[str, Any]:
        return {**big.options, "conversation_id": big.identifier, "prefix": f"turn-{turn}/"}

    for turn in interrupted(saving, usual, seed=1):
        assert big.manifests(s3, f"turn-{turn}/") == []
        assert "none there is whole" in restore(big, new, prefix=f"turn-{turn}/")["msg"]
        last = f"turn-{turn}/"
    assert save(big, prefix=last)["changed"]

    began = time.monotonic()
    restored = restore(big, new, prefix=last)
    usual = time.monotonic() - began
    assert (restored["changed"], restored["restored"]) == (True, True), restored
    assert picture(new_root, FIRST_ID) == big.picture
    assert not restore(big, new, prefix=last)["changed"]

    third, third_root = conversation(remapping_daemon)
    options = {"conversation_id": third, "from_conversation": big.identifier, "state": "restored", "prefix": last}
    assert len(list(interrupted(lambda _turn: {**big.options, **options}, usual, seed=2))) > INTERRUPTIONS // 2
    assert restore(big, third, prefix=last)["restored"]
    assert picture(third_root, FIRST_ID) == big.picture


def test_owners_are_the_containers_on_a_host_that_maps_them_otherwise(
    remapping_daemon: Daemon, docker_daemon: Daemon, conversation: Make, access: dict[str, str], bucket: str
) -> None:
    identifier, root = conversation(remapping_daemon)
    fill(root, FIRST_ID, files=200, size=1_000_000)
    options = {**access, "bucket": bucket}
    saving = {"docker_host": remapping_daemon.url, "conversation_id": identifier}
    assert module.run("workspace_archive", {**options, **saving})["changed"]
    new, new_root = conversation(docker_daemon)
    restoring = {"docker_host": docker_daemon.url, "conversation_id": new, "from_conversation": identifier}
    assert module.run("workspace_archive", {**options, **restoring, "state": "restored"})["restored"]
    assert picture(new_root, 0) == picture(root, FIRST_ID)
