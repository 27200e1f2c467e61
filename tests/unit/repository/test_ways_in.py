# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and robots come in by: both READMEs tell the same; every make target that is named exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
TARGET = re.compile(r"\bmake (?!long-NAME|bench-NAME)([a-z][a-z-]*)")


def commands(readme: str) -> list[str]:
    """The command blocks; the picture of the layers is none."""
    blocks = FENCE.findall((ROOT / readme).read_text())
    return [" ".join(block.split()) for block in blocks if "┌" not in block]


def test_both_readmes_tell_the_same_commands() -> None:
    assert commands("README.ja.md") == commands("README.md") != []


def test_both_readmes_tell_of_the_same_layers() -> None:
    rows = {
        name: re.findall(r"^\| (L\d) \|", (ROOT / name).read_text(), re.MULTILINE)
        for name in ("README.md", "README.ja.md")
    }
    assert rows["README.md"] == rows["README.ja.md"] == [f"L{number}" for number in range(1, 8)]


def test_both_readmes_have_the_same_parts() -> None:
    shape, others = (
        [
            (len(re.findall(r"^(?:\d\.|- |\|)", part, re.MULTILINE)), sorted(re.findall(r"\((roles/[^)]+)\)", part)))
            for part in (ROOT / name).read_text().split("\n## ")
        ]
        for name in ("README.md", "README.ja.md")
    )
    assert shape == others


def test_the_site_shows_the_picture_of_the_readme() -> None:
    picture = re.search(r"^┌.*?^└[^\n]*$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert picture and picture[0] in (ROOT / "docs" / "concepts.md").read_text()


def targets() -> set[str]:
    """What the makefiles define, with the names that they make of files."""
    text = "".join(file.read_text() for file in [ROOT / "Makefile", *(ROOT / "tests" / "make").glob("*.mk")])
    long_runs = {f"long-{file.name}" for file in (ROOT / "tests" / "long").iterdir()}
    benchmarks = {f"bench-{file.stem}" for file in (ROOT / "benchmarks").glob("*.py")}
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE)) | long_runs | benchmarks


@pytest.mark.parametrize(
    "file",
    [
        ".ci/run",
        ".github/workflows/release.yml",
        ".github/workflows/test.yml",
        ".pre-commit-config.yaml",
        "README.md",
        "README.ja.md",
        "CONTRIBUTING.md",
    ],
)
def test_every_make_target_that_is_named_exists(file: str) -> None:
    named = set(TARGET.findall((ROOT / file).read_text()))
    assert named and named <= targets(), named - targets()
