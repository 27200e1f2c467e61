# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""deployment/ holds what the roles say, and its check can tell when it does not."""

from __future__ import annotations

from pathlib import Path

import generate
import pytest


def test_the_files_are_what_the_roles_say() -> None:
    assert generate.differences() == []


def test_a_file_that_differs_is_shown_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "ARTEFACTS", {"deployment/a": lambda: "one\n", "deployment/b": lambda: "two\n"})
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "deployment" / "b").write_text("changed by hand\n")
    assert generate.main(["--check"]) == 1
    shown = capsys.readouterr()
    assert "-changed by hand\n+two\n" in shown.out
    assert "run `make generate`" in shown.err


def test_the_figures_of_the_s3_readme_are_the_roles() -> None:
    policy = generate.role_variable("s3_lifecycle", "__s3_lifecycle_policy")
    text = (Path(generate.__file__).parent / "s3" / "README.md").read_text()
    for line in (
        f"| {policy['abort_upload_days']} | parts of an upload",
        f"| {policy['noncurrent_days']} after it was replaced",
        f"| {policy['archive_days']} | it moves to {policy['archive_class']}, "
        f"if larger than {policy['archive_minimum_bytes']} bytes |",
        f"| {policy['expire_days']} | it ends",
        f"| {policy['expire_days'] + policy['noncurrent_days']} | its bytes are deleted",
    ):
        assert line in text
