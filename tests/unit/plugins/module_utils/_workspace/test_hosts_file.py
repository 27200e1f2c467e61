# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts file of containers without a network: made, mended, left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import hosts_file
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError


def test_it_is_made_for_all_to_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "hosts"
    hosts_file.ensure(path)
    assert path.read_text().startswith("127.0.0.1\tlocalhost\n")
    assert path.stat().st_mode & 0o777 == 0o644
    before = path.stat()
    hosts_file.ensure(path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("content", [b"", b"10.0.0.1 localhost\n", b"\xff"])
def test_an_edited_one_is_replaced_not_written_into(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(content)
    with path.open("rb") as bound:
        hosts_file.ensure(path)
        # What is mounted already is another file from now on, so no reader sees half of one.
        assert bound.read() == content
    assert path.read_text() == hosts_file.CONTENT


def test_where_it_cannot_be_the_error_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match=r"cannot write .*/file/hosts: Not a directory; run the task as root"):
        hosts_file.ensure(tmp_path / "file" / "hosts")
