# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role is told of the files that it looks at."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.modules.host_files_info import describe, text_of


def test_a_file_is_told_by_mode_and_checksum(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    file.chmod(0o640)
    found = describe(str(file))
    assert (found["kind"], found["mode"]) == ("file", "0640")
    assert found["sha256"] == hashlib.sha256(b"text").hexdigest()


def test_links_and_directories_have_no_checksum(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert describe(str(tmp_path / "link"))["kind"] == "link"
    assert describe(str(tmp_path)) | {"mode": "", "owner": 0, "group": 0} == {
        "kind": "directory", "mode": "", "owner": 0, "group": 0, "sha256": ""
    }  # fmt: skip


def test_a_pattern_stands_for_what_it_matches_first(tmp_path: Path) -> None:
    (tmp_path / "b-1").write_text("x")
    assert describe(f"{tmp_path}/*-1")["kind"] == "file"
    assert describe(f"{tmp_path}/*-2")["kind"] == "absent"


def test_what_cannot_be_read_has_no_text(tmp_path: Path) -> None:
    assert text_of(str(tmp_path / "none")) == ""
