# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about the data root, from a look at the host."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.note import Note
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.plan import decide, human
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import Device, Facts
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish

GIB = 2**30
LOOP = "/var/lib/docker.xfs"
UUID = "0b0c"
BARE = Facts(
    mount_point="/",
    kind="ext4",
    source="/dev/vda1",
    ready=False,
    empty=True,
    resolved="/var/lib/docker",
    data_bytes=0,
    free_bytes=100 * GIB,
    loop_bytes=None,
    device=None,
    committed="",
    note=None,
    aside=False,
    defined_in="",
    missing=False,
    tools=True,
    docker_active=False,
    running=(),
    silence="",
    config_error="",
    config_root="",
)
IN_USE = replace(BARE, empty=False, data_bytes=3 * GIB, docker_active=True)
READY = replace(
    IN_USE, ready=True, kind="xfs", mount_point="/var/lib/docker", committed=LOOP, loop_bytes=20 * GIB, data_bytes=0
)
XFS = replace(IN_USE, kind="xfs", mount_point="/var", defined_in="/etc/fstab")
SPARE = replace(BARE, device=Device(exists=True))


@pytest.mark.parametrize(
    ("facts", "wish", "act"),
    [
        (BARE, Wish(), "convert"),
        (IN_USE, Wish(convert_ok=True), "convert"),
        (READY, Wish(), "keep"),
        (replace(READY, committed="", mount_point="/"), Wish(), "keep"),
        (XFS, Wish(remount_ok=True), "remount"),
        (XFS, Wish(convert_ok=True), "convert"),
        (replace(XFS, mount_point="/var/lib/docker"), Wish(remount_ok=True), "remount"),
        (SPARE, Wish(device="/dev/vdb"), "convert"),
        (replace(IN_USE, committed=LOOP, loop_bytes=20 * GIB), Wish(), "finish"),
        (replace(READY, note=Note("convert", LOOP, True)), Wish(), "finish"),
        (replace(BARE, missing=True, note=Note("remount", "/var/lib/docker", True)), Wish(), "remount"),
    ],
)
def test_what_is_done(facts: Facts, wish: Wish, act: str) -> None:
    plan = decide(wish, facts)
    assert (plan.act, plan.problems) == (act, ())


@pytest.mark.parametrize(
    ("facts", "wish", "words"),
    [
        (IN_USE, Wish(), ["it is on ext4 and holds data (3.0 GiB)", "allow the conversion"]),
        (XFS, Wish(), ["cannot count on /var", "allow the remount", "allow the conversion"]),
        (replace(XFS, mount_point="/"), Wish(), ["rootflags=pquota"]),
        (replace(XFS, mount_point="/var/lib/docker"), Wish(), ["allow the remount", "/etc/fstab"]),
        (replace(XFS, defined_in=""), Wish(remount_ok=True), ["write it into /etc/fstab first"]),
        (replace(IN_USE, mount_point="/var/lib/docker"), Wish(convert_ok=True), ["a mount of its own"]),
        (replace(IN_USE, resolved="/srv/docker"), Wish(convert_ok=True), ["leads to /srv/docker"]),
        (replace(IN_USE, aside=True), Wish(convert_ok=True), ["/var/lib/docker.before-xfs exists already"]),
        (replace(BARE, loop_bytes=5), Wish(), ["it exists and no unit of this role mounts it"]),
        (BARE, Wish(size="9T"), ["only 100.0 GiB are free", "allow a sparse file"]),
        (BARE, Wish(size="9T", sparse_ok=True, preallocate=True), ["only 100.0 GiB are free"]),
        (BARE, Wish(size="big"), ["cannot use size big"]),
        (BARE, Wish(root="relative"), ["cannot use data root relative"]),
        (BARE, Wish(device="vdb"), ["cannot use device vdb"]),
        (replace(IN_USE, data_bytes=19 * GIB), Wish(convert_ok=True), ["cannot copy 19.0 GiB", "raise the size"]),
        (replace(SPARE, device=Device(exists=False)), Wish(device="/dev/vdb"), ["not a block device"]),
        (replace(SPARE, device=Device(exists=True, holds="ext4")), Wish(device="/dev/vdb"), ["it holds ext4"]),
        (
            replace(SPARE, device=Device(exists=True, holds="ext4", mounted="/srv")),
            Wish(device="/dev/vdb", format_ok=True),
            ["it is mounted at /srv"],
        ),
        (replace(IN_USE, config_root="/srv/d"), Wish(convert_ok=True), ["daemon.json says data-root /srv/d"]),
        (replace(IN_USE, silence="no answer"), Wish(convert_ok=True), ["cannot tell which containers are running"]),
        (replace(BARE, missing=True), Wish(), ["that is not mounted; mount it first"]),
        (replace(IN_USE, committed=LOOP), Wish(), ["the file is gone but var-lib-docker.mount wants it"]),
        (
            replace(IN_USE, committed=LOOP, device=Device(exists=True, uuid=UUID)),
            Wish(device="/dev/vdb"),
            [f"var-lib-docker.mount mounts {LOOP} already"],
        ),
    ],
)
def test_what_is_refused_and_with_which_words(facts: Facts, wish: Wish, words: list[str]) -> None:
    said = " | ".join(decide(wish, facts).problems)
    assert [word for word in words if word not in said] == [], said


def test_all_problems_are_told_at_once() -> None:
    facts = replace(IN_USE, aside=True, loop_bytes=5, silence="no answer")
    assert len(decide(Wish(), facts).problems) == 4


def test_a_larger_size_grows_the_file_and_a_smaller_one_only_warns() -> None:
    assert decide(Wish(size="30G"), READY).grow == 30 * GIB
    smaller = decide(Wish(size="10G"), READY)
    assert smaller.grow == 0 and "cannot shrink" in smaller.warning
    too_large = decide(Wish(size="300G"), READY)
    assert "cannot grow" in too_large.problems[0]


def test_growing_that_was_cut_short_is_done_again() -> None:
    assert decide(Wish(size="20G"), replace(READY, note=Note("grow", LOOP, True))).grow == 20 * GIB


def test_the_old_tree_goes_only_from_a_host_that_is_done() -> None:
    wish = Wish(remove_old_ok=True, convert_ok=True)
    assert decide(wish, replace(READY, aside=True)).remove_old
    assert not decide(wish, IN_USE).remove_old
    assert not decide(wish, replace(READY, aside=True, note=Note("convert", LOOP, True))).remove_old


def test_what_an_unfinished_run_left_may_be_made_anew() -> None:
    unfinished = replace(SPARE, device=Device(exists=True, holds="xfs"), note=Note("convert", "/dev/vdb", False))
    assert decide(Wish(device="/dev/vdb"), unfinished).problems == ()
    assert decide(Wish(), replace(BARE, loop_bytes=20 * GIB, note=Note("convert", LOOP, False))).problems == ()


@pytest.mark.parametrize(("count", "words"), [(5, "5 B"), (2048, "2.0 KiB"), (3 * GIB, "3.0 GiB")])
def test_bytes_in_words(count: int, words: str) -> None:
    assert human(count) == words
