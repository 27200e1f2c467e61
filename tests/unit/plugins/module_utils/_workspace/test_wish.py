# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches and plain Python values: defaults, types, and all problems of all entries in one message."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.parameters import (
    ARGUMENTS,
    defaults,
    typed_options,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.wish import build_wish, build_wishes

IMAGE = "bulkhead/workspace:demo"


def common(**given: Any) -> dict[str, Any]:
    return {**defaults(), "image": IMAGE, **given}


def test_entries_have_their_own_options_over_the_common_ones() -> None:
    first, second = build_wishes(
        common(memory="3g", state="stopped"),
        [{"conversation_id": "a"}, {"conversation_id": "b", "memory": "4g", "pids_limit": 100, "state": "started"}],
    )
    assert (first.request.memory, first.request.pids_limit, first.state) == (3 << 30, 256, "stopped")
    assert (second.request.memory, second.request.pids_limit, second.state) == (4 << 30, 100, "started")


def test_all_problems_of_all_entries_come_at_once() -> None:
    entries: list[dict[str, Any]] = [
        {"conversation_id": "a", "memory": "2 gb", "pids_limit": -1},
        {"conversation_id": "../b"},
        {"memory": "1g"},
        {"conversation_id": "c", "privileged": True},
        {"conversation_id": "d", "init": "perhaps"},
        {"conversation_id": "e", "tmpfs": [{"path": "/a", "size": "1m", "exec": True}]},
        {"conversation_id": "f"},
        {"conversation_id": "f"},
        {"conversation_id": "g", "state": "deleted"},
        {"conversation_id": "h", "archive": {"bucket": "b", "secret_key": "x"}},
    ]
    with pytest.raises(InvalidRequestError) as caught:
        build_wishes(common(), entries)
    expected = [
        "workspaces[0].memory (or",
        "workspaces[0].pids_limit (or",
        "workspaces[1].conversation_id: '../b' is no conversation identifier",
        "workspaces[2].conversation_id: is missing",
        "workspaces[3].'privileged' is no option",
        "workspaces[4].init: 'perhaps' is neither true nor false",
        "workspaces[5].tmpfs: unknown key exec",
        "workspaces[8].state: 'deleted' is not one of present, started, stopped, absent",
        "workspaces[9].archive: is given once for all",
        "workspaces: conversation f is listed twice",
    ]
    assert len(caught.value.problems) == len(expected)
    for problem, start in zip(sorted(caught.value.problems), sorted(expected), strict=True):
        assert problem.startswith(start)


def test_an_image_is_needed_unless_the_conversation_shall_be_gone() -> None:
    with pytest.raises(InvalidRequestError, match="image: is missing; name an image, or say state: absent"):
        build_wish({**defaults(), "conversation_id": "a"})
    gone = build_wish({**defaults(), "conversation_id": "a", "state": "absent"})
    # A conversation can be removed whatever its container was made with.
    assert gone.required_layers == ()


def test_environment_variables_are_fall_backs_and_an_empty_one_disables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_MEMORY_LIMIT", "3g")
    monkeypatch.setenv("CONTAINER_PIDS_LIMIT", "")
    options = {**common(), "conversation_id": "a", "required_layers": []}
    request = build_wish(options).request
    assert (request.memory, request.pids_limit) == (3 << 30, None)
    assert build_wish({**options, "memory": "4g"}).request.memory == 4 << 30


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("cpu_quota", 200000, "200000"),
        ("userns_remap", True, "true"),
        ("init", "no", False),
        ("stop_timeout", "5", 5),
        ("command", ("sleep", 1), ["sleep", "1"]),
        ("environment", {"A": 1}, {"A": 1}),
        ("tmpfs", [{"path": "/a", "size": 1024}], [{"path": "/a", "size": "1024", "mode": "1777", "owned": False}]),
    ],
)
def test_plain_values_get_the_type_of_their_option(name: str, value: object, read: object) -> None:
    assert typed_options({name: value}) == ({name: read}, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory", [1]),
        ("stop_timeout", "soon"),
        ("stop_timeout", True),
        ("command", "sleep 1"),
        ("environment", ["A=1"]),
        ("required_layers", ["L9"]),
        ("tmpfs", [{"size": "1m"}]),
    ],
)
def test_a_value_of_another_type_is_a_problem_with_the_option_s_name(name: str, value: object) -> None:
    found, [problem] = typed_options({name: value})
    assert found == {}
    assert problem.startswith(f"{name}: ")


def test_every_default_is_of_its_own_type() -> None:
    own = {name: argument["default"] for name, argument in ARGUMENTS.items() if "default" in argument}
    read, problems = typed_options(own)
    assert problems == []
    assert {name: value for name, value in read.items() if name != "tmpfs"} == {
        name: value for name, value in own.items() if name != "tmpfs"
    }
