# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths get other owners, and which never do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.modules.shifted_ownership import problems_with, shift, walk


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/bin", "/var", "/var/lib", "/run", "/etc/../etc", "/none/such"])
def test_the_host_itself_is_never_given_away(path: str) -> None:
    (problem,) = problems_with([path])
    assert path in problem


def test_a_link_to_the_system_is_the_system(tmp_path: Path) -> None:
    (tmp_path / "innocent").symlink_to("/etc")
    assert problems_with([str(tmp_path / "innocent")])
    assert problems_with([str(tmp_path)]) == []


def test_ids_in_the_range_stay_and_all_others_move(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    mine = os.getuid()
    assert shift(file, mine + 100000, 65536, act=False)
    assert not shift(file, min(mine, os.getgid()), 65536, act=False)


def test_an_id_that_the_range_does_not_cover_is_refused(tmp_path: Path) -> None:
    class Foreign(type(tmp_path)):  # type: ignore[misc]
        def lstat(self) -> os.stat_result:
            return os.stat_result((0o100644, 1, 1, 1, 70000, 70000, 0, 0, 0, 0))

    with pytest.raises(OSError, match="belongs to 70000:70000, which 65536 ids do not cover"):
        shift(Foreign(tmp_path), 100000, 65536, act=False)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "outside").touch()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside")
    assert {path.name for path in walk(tmp_path / "tree")} == {"tree", "link"}
