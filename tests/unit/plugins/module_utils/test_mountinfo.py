# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file system a path is on, and what it allows, by the text of mountinfo."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import Mount, mount_of, parse_mounts

ROOT = "22 1 98:0 / / rw,relatime shared:1 - ext4 /dev/root rw"
XFS = "99 22 7:0 / /var/lib/docker rw,relatime shared:5 - xfs /dev/loop0 rw,attr2,inode64,prjquota"


def found(text: str, path: str) -> Mount:
    mount = mount_of(parse_mounts(text), Path(path))
    assert mount is not None
    return mount


def test_the_deepest_mount_counts() -> None:
    mount = found(f"{ROOT}\n{XFS}\n", "/var/lib/docker/volumes")
    assert (mount.target, mount.kind, mount.source, mount.project_quota) == (
        "/var/lib/docker",
        "xfs",
        "/dev/loop0",
        True,
    )


def test_a_sibling_with_the_same_beginning_is_another_path() -> None:
    mount = found(f"{ROOT}\n{XFS}\n", "/var/lib/docker.before-xfs")
    assert mount.target == "/"


def test_of_two_mounts_on_one_point_the_later_hides_the_other() -> None:
    plain = XFS.replace(",prjquota", ",noquota")
    mount = found(f"{ROOT}\n{XFS}\n{plain}\n", "/var/lib/docker")
    assert not mount.project_quota


@pytest.mark.parametrize("option", ["noquota", "pqnoenforce", "usrquota"])
def test_quotas_that_do_not_stop_anything_do_not_count(option: str) -> None:
    mount = found(XFS.replace("prjquota", option), "/var/lib/docker")
    assert not mount.project_quota


def test_escaped_mount_points_are_understood() -> None:
    mount = found(XFS.replace("/var/lib/docker", "/srv/with\\040space"), "/srv/with space/x")
    assert mount.target == "/srv/with space"


def test_the_topmost_of_two_mounts_counts() -> None:
    text = (
        "1 0 0:1 / /a rw - tmpfs tmpfs rw,size=1k\n"
        "2 1 0:2 / /a ro - tmpfs tmpfs ro,size=2k\n"
        "3 1 0:3 / /with\\040space rw - ext4 /dev/x rw\n"
    )
    first, second = parse_mounts(text)
    assert (first.target, first.writable) == ("/a", False)
    assert second.target == "/with space"


def test_a_read_only_file_system_under_a_writable_mount_is_not_writable() -> None:
    [mount] = parse_mounts("1 0 0:1 / /a rw - ext4 /dev/x ro\n")
    assert not mount.writable
