# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemon.json shall say: foreign keys survive, ours win, meaning counts and form does not."""

from __future__ import annotations

import copy
import json
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import (
    differences,
    excerpt,
    merge,
    request_problems,
)
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.sampled_from(["dns", "icc", "log-opts", "runtimes", "storage-opts", "mtu"])
SCALARS = st.one_of(st.booleans(), st.integers(-3, 3), st.text("abc", max_size=3))
VALUES = st.one_of(
    SCALARS,
    st.lists(st.text("ab=", min_size=1, max_size=4), max_size=3),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), SCALARS, max_size=3),
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)


def test_foreign_keys_survive_on_both_levels() -> None:
    current = {"dns": ["192.0.2.1"], "log-opts": {"labels": "team"}}
    merged = merge(current, {"log-opts": {"max-size": "10m"}, "icc": False}, [])
    assert merged == {"dns": ["192.0.2.1"], "log-opts": {"labels": "team", "max-size": "10m"}, "icc": False}


def test_option_lists_merge_by_name() -> None:
    current = {"storage-opts": ["overlay2.size=1G", "overlay2.override_kernel_check=true"]}
    merged = merge(current, {"storage-opts": ["overlay2.size=5G"]}, ["storage-opts/overlay2.override_kernel_check"])
    assert merged == {"storage-opts": ["overlay2.size=5G"]}


def test_other_lists_are_replaced() -> None:
    assert merge({"dns": ["192.0.2.1"]}, {"dns": ["192.0.2.2"]}, []) == {"dns": ["192.0.2.2"]}


def test_a_list_that_loses_its_last_entry_goes() -> None:
    current = {"storage-opts": ["overlay2.override_kernel_check=true"], "mtu": 1400}
    assert merge(current, {}, ["storage-opts/overlay2.override_kernel_check"]) == {"mtu": 1400}


def test_removing_what_is_not_there_changes_nothing() -> None:
    current = {"mtu": 1400, "storage-opts": ["overlay2.size=1G"]}
    assert merge(current, {}, ["icc", "log-opts/max-size", "storage-opts/overlay2.basesize", "mtu/x"]) == current


def test_differences_name_path_and_values() -> None:
    before = {"icc": True, "log-opts": {"max-size": "1m"}, "mtu": 1400}
    after = {"icc": False, "log-opts": {"max-size": "1m", "max-file": "3"}}
    assert [change.as_dict() for change in differences(before, after)] == [
        {"key": "icc", "action": "changed", "before": True, "after": False},
        {"key": "log-opts/max-file", "action": "added", "before": None, "after": "3"},
        {"key": "mtu", "action": "removed", "before": 1400, "after": None},
    ]


def test_order_of_options_means_nothing_but_true_is_not_one() -> None:
    assert not differences({"storage-opts": ["a=1", "b=2"]}, {"storage-opts": ["b=2", "a=1"]})
    assert [change.key for change in differences({"icc": 1}, {"icc": True})] == ["icc"]


def test_the_excerpt_keeps_foreign_secrets_out() -> None:
    before = {"proxies": {"http-proxy": "http://user:secret@192.0.2.1"}, "icc": True}
    changes = differences(before, {**before, "icc": False})
    assert excerpt(before, changes) == {"icc": True}


def test_a_request_that_contradicts_itself_is_refused_whole() -> None:
    problems = request_problems(
        {"icc": None, "log-opts": {"max-size": "1m"}, "mtu": 1}, ["log-opts/max-size", "mtu", "a/b/c", ""]
    )
    assert len(problems) == 5
    assert problems[0].startswith("cannot set icc: its value is null")
    assert any("cannot remove mtu: settings sets it" in problem for problem in problems)
    assert any("cannot remove 'a/b/c': write KEY or KEY/ENTRY" in problem for problem in problems)


@given(DOCUMENTS, DOCUMENTS)
def test_merging_twice_is_merging_once(current: dict[str, Any], settings: dict[str, Any]) -> None:
    once = merge(current, settings, [])
    assert not differences(once, merge(once, settings, []))


@given(DOCUMENTS, DOCUMENTS)
def test_merging_leaves_its_input_alone_and_other_keys_unchanged(
    current: dict[str, Any], settings: dict[str, Any]
) -> None:
    kept = copy.deepcopy(current)
    merged = merge(current, settings, [])
    assert current == kept
    for key in current.keys() - settings.keys():
        assert json.dumps(merged[key]) == json.dumps(current[key])


@given(DOCUMENTS)
def test_removing_every_key_leaves_nothing(document: dict[str, Any]) -> None:
    assert merge(document, {}, list(document)) == {}
