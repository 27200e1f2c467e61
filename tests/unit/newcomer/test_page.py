# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a page is read; and that no page for newcomers has commands that nobody runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from newcomer.page import ByHand, Command, File, is_printed, steps

ROOT = Path(__file__).resolve().parents[3]
GUIDES = sorted(f"docs/{page.name}" for page in ROOT.glob("docs/guide-*.md"))
PAGES = ["README.md", "docs/quick-start.md", "deployment/README.md", *GUIDES]


def fenced(language: str, text: str, above: str = "") -> str:
    return f"Words.\n\n{above}```{language}\n{text}\n```\n"


def test_commands_are_typed_where_they_say() -> None:
    assert steps(fenced("console", "$ one\n# two \\\n  three\nprinted\n$ four")) == [
        Command(4, False, "one", ""),
        Command(5, True, "two \\\n  three", "", ("printed",)),
        Command(8, False, "four", ""),
    ]


def test_a_block_in_a_list_loses_its_margin() -> None:
    assert steps("1. Words:\n   ```console\n   $ one \\\n     two\n   ```\n") == [
        Command(3, False, "one \\\n  two", "")
    ]


def test_a_file_is_named_by_its_first_line() -> None:
    assert steps(fenced("yaml", "# group_vars/all.yml\na: 1")) == [
        File(4, "group_vars/all.yml", "# group_vars/all.yml\na: 1\n")
    ]
    assert steps(fenced("yaml", "- name: A task")) == []


def test_what_is_done_by_hand_says_why() -> None:
    (step,) = steps(fenced("console", "$ one", "<!-- by hand: no network -->\n"))
    assert isinstance(step, ByHand) and step.reason == "no network"


def test_what_is_typed_when_asked() -> None:
    (step,) = steps(fenced("console", "$ one", "<!-- types: a key -->\n"))
    assert isinstance(step, Command) and step.typed == "a key"


@pytest.mark.parametrize(("language", "text"), [("bash", "one"), ("", "one"), ("console", "one")])
def test_commands_that_do_not_say_where_are_refused(language: str, text: str) -> None:
    with pytest.raises(ValueError, match="line 4: a block of commands"):
        steps(fenced(language, text))


def test_what_is_printed_is_compared_without_its_spaces() -> None:
    assert is_printed("0     100000  65536", "x\n  0 100000      65536\n")
    assert is_printed("xfs …prjquota…", "xfs    rw,relatime,prjquota\n")
    assert not is_printed("L1 enforced", "L1 not enforced\n")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_followed(page: str) -> None:
    assert steps((ROOT / page).read_text()) != [] or page in {"docs/guide-monitoring.md", "docs/guide-archive.md"}


def test_every_page_is_in_a_chapter() -> None:
    chapters = (ROOT / "tests" / "newcomer" / "hour.py").read_text()
    assert [page for page in PAGES if f'"{page}"' not in chapters] == []
