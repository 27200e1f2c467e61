# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role is told of the files that it looks at."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.modules.host_files_info import (
    describe,
    differing,
    entries_of,
    python_version,
    text_of,
)


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


def test_a_directory_is_told_by_the_names_in_it(tmp_path: Path) -> None:
    assert entries_of(str(tmp_path / "none")) == []
    for name in ("b", "a"):
        (tmp_path / name).touch()
    assert entries_of(str(tmp_path)) == ["a", "b"]


def test_an_interpreter_tells_its_version(tmp_path: Path) -> None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert python_version(sys.executable) == own
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    assert python_version(str(other)) == own


def test_what_is_no_interpreter_has_no_version(tmp_path: Path) -> None:
    assert python_version(str(tmp_path / "none")) == ""
    (tmp_path / "text").write_text("no program")
    assert python_version(str(tmp_path / "text")) == ""
    assert python_version("/bin/false") == ""


def test_only_the_words_that_are_wanted_are_compared(tmp_path: Path) -> None:
    files = {path: describe(path) for path in (str(tmp_path), str(tmp_path / "none"))}
    assert differing(files, {str(tmp_path): {"kind": "directory"}, str(tmp_path / "none"): {"kind": "absent"}}) == []
    assert differing(files, {str(tmp_path): {"kind": "directory", "sha256": "ab"}}) == [str(tmp_path)]
