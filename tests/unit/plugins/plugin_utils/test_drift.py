# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's diffs, told in a line each."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _drift


def lines(diff: Any, target: str = "") -> list[str]:
    found = _drift.differences("role", "Task", {"changed": True, "diff": diff}, target)
    return [entry.line().removeprefix("role: Task: ") for entry in found]


@pytest.mark.parametrize(
    ("diff", "told"),
    [
        ({"before": {"path": "/x", "mode": "0644"}, "after": {"path": "/x", "mode": "0600"}}, "/x mode: 0644 -> 0600"),
        ({"before": '{"a": {"b": 1, "c": 2}}', "after": '{"a": {"b": 3, "c": 2}}'}, "a.b: 1 -> 3"),
        ({"before": '{"a": 1}', "after": "{}"}, "a: 1 -> (not there)"),
        ({"before": "", "after": "one line\n", "before_header": "/etc/y"}, "/etc/y: (not there) -> one line"),
        ({"before": "", "after": '{"a": 1}'}, 'content: (not there) -> {"a": 1}'),
        ({"before": "x\ny\n", "after": ""}, "text: 2 lines -> (not there)"),
        ({"before": "a\nb\nc\n", "after": "a\nB\nc\n", "before_header": "/etc/z"}, "/etc/z line 2: b -> B"),
        ({"before": "a\n", "after": "a\nb\n", "after_header": "/srv/roles/z.conf"}, "z.conf line 2: (not there) -> b"),
        ({"before": [1], "after": [2]}, "content: [1] -> [2]"),
        ({"prepared": "as text"}, "text:  -> as text"),
    ],
)  # fmt: skip
def test_a_field_is_named_with_both_values(diff: dict[str, Any], told: str) -> None:
    assert lines(diff) == [told]


def test_a_task_without_a_diff_is_told_all_the_same() -> None:
    assert lines([]) == ["would change"]
    assert lines([{}]) == ["would change"]


def test_what_is_as_wished_is_not_told() -> None:
    assert _drift.differences("r", "T", {"changed": False, "diff": {"before": "a", "after": "b"}}) == []


def test_the_path_that_the_task_was_told_comes_first() -> None:
    assert lines({"before": "a\n", "after": "b\n", "after_header": "/tmp/of/the/controller"}, "/etc/q") == [
        "/etc/q line 1: a -> b"
    ]


def test_each_turn_of_a_loop_that_would_change() -> None:
    turns = [
        {"changed": True, "dest": "/etc/one", "diff": {"before": "a", "after": "b"}},
        {"changed": False, "dest": "/etc/two", "diff": {"before": "a", "after": "b"}},
        "a turn that was squashed",
    ]
    found = _drift.differences("", "Task", {"changed": True, "results": turns})
    assert [entry.line() for entry in found] == ["Task: /etc/one line 1: a -> b"]


def test_a_long_text_is_cut() -> None:
    found = lines({"before": "\n".join("abcdefghijklmnopqrst"), "after": "\n".join("ABCDEFGHIJKLMNOPQRST")})
    assert found == ["text: 20 other lines -> 20 lines"]
    assert max(map(len, lines({"before": {"k": "x" * 500}, "after": {"k": "y" * 500}}))) < 220
