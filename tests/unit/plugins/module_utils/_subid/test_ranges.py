# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subordinate ids: nothing is shared, nothing is lost."""

from __future__ import annotations

from ansible_collections.bulkhead.workspace.plugins.module_utils._subid.ranges import (
    Range,
    parse_ranges,
    problems_with,
    with_range,
)
from hypothesis import given
from hypothesis import strategies as st

WANTED = Range("dockremap", 100000, 65536)
RANGES = st.builds(Range, st.sampled_from(["alice", "bob"]), st.integers(0, 400), st.integers(1, 100))


def problems(text: str, accounts: dict[int, str] | None = None) -> list[str]:
    return problems_with(WANTED, text, path="/etc/subuid", aliases=["997"], accounts=accounts or {})


def test_an_overlap_names_both() -> None:
    assert problems("alice:165535:65536\n") == [
        "cannot add dockremap:100000:65536 to /etc/subuid: it overlaps alice:165535:65536; choose a free range"
    ]


def test_neighbours_do_not_overlap() -> None:
    assert problems("alice:165536:65536\nbob:34464:65536\n") == []


def test_another_range_of_the_same_owner_is_not_replaced() -> None:
    (problem,) = problems("997:300000:65536\n")
    assert "dockremap already has 997:300000:65536" in problem


def test_accounts_of_the_host_are_not_given_away() -> None:
    (problem,) = problems("", {100001: "user carol", 5: "user sync"})
    assert "it contains accounts of the host: user carol (100001)" in problem


def test_every_other_line_stays_as_it_is() -> None:
    text = "# managed by hand\nalice:300000:65536\n\nbroken line"
    assert with_range(WANTED, text, aliases=[]) == f"{text}\ndockremap:100000:65536\n"


def test_the_line_is_added_once_whatever_the_spelling() -> None:
    once = with_range(WANTED, "", aliases=[])
    assert once == "dockremap:100000:65536\n"
    assert with_range(WANTED, once, aliases=["997"]) == once
    assert with_range(WANTED, "997:100000:65536\n", aliases=["997"]) == "997:100000:65536\n"


def test_malformed_lines_are_no_ranges() -> None:
    assert parse_ranges("a:b:c\na:1\n:\na:1:2:3\nalice:1:2\n") == [Range("alice", 1, 2)]


@given(RANGES, RANGES)
def test_overlap_is_a_common_id(one: Range, other: Range) -> None:
    shared = set(range(one.start, one.start + one.count)) & set(range(other.start, other.start + other.count))
    assert one.overlaps(other) == other.overlaps(one) == bool(shared)
