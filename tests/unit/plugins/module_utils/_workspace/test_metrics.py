# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the metrics: what has a sample, and what has none."""

from __future__ import annotations

from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import metrics
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.events import TYPES

STOPPED: dict[str, Any] = {
    "conversation_id": "b",
    "container": {"state": "exited"},
    "layers": {"L1": {"status": "not_running"}},
    "events": [{"type": "oom", "count": 2}],
    "usage": {},
}


def running(**usage: Any) -> dict[str, Any]:
    """A conversation of a kernel that does not tell everything."""
    return {
        "conversation_id": "a",
        "container": {"state": "running"},
        "layers": {"L2": {"status": "enforced"}, "L3": {"status": "not_enforced"}, "L7": {"status": "not_applicable"}},
        "events": [],
        "usage": {
            "cpu": {"seconds": 1.5, "throttled_seconds": 0.0, "limit": None},
            "memory": {"used": None, "peak": None, "limit": 5},
            "pids": {"used": None, "peak": None, "limit": 7},
            "disk": {},
            **usage,
        },
    }


def lines(*conversations: dict[str, Any]) -> list[str]:
    return [line for line in metrics.render(conversations, []).splitlines() if not line.startswith("#")]


def test_a_layer_is_1_or_0_and_absent_where_it_does_not_apply() -> None:
    assert [line for line in lines(running()) if "layer" in line] == [
        'bulkhead_layer_enforced{conversation="a",layer="L2"} 1',
        'bulkhead_layer_enforced{conversation="a",layer="L3"} 0',
    ]


def test_what_the_kernel_does_not_tell_has_no_sample() -> None:
    text = "\n".join(lines(running()))
    assert "cpu_limit" not in text and "memory_bytes" not in text
    assert 'bulkhead_memory_limit_bytes{conversation="a"} 5' in text


def test_a_stopped_conversation_has_its_state_and_events_only() -> None:
    first, *events = lines(STOPPED)
    assert first == 'bulkhead_conversations{state="exited"} 1'
    assert events[0] == 'bulkhead_limit_events{conversation="b",type="oom"} 2'
    assert all(line.startswith("bulkhead_limit_events{") for line in events)


def test_every_type_of_event_is_there_before_it_happens() -> None:
    assert [line for line in lines(running()) if "limit_events" in line] == [
        f'bulkhead_limit_events{{conversation="a",type="{name}"}} 0' for name in TYPES
    ]


def test_large_sizes_are_exact_and_labels_are_escaped() -> None:
    disk = {'/a"b\\c\n': {"used": 2**53 + 0, "limit": 10**15 + 1}}
    text = "\n".join(lines(running(disk=disk)))
    assert r'path="/a\"b\\c\n"} 1000000000000001' in text
    assert "9007199254740992" in text


def test_a_host_without_conversations_has_no_families() -> None:
    assert metrics.render([], []) == ""


def test_a_family_is_introduced_once() -> None:
    text = metrics.render([running(), STOPPED], [{"type": "seccomp_denied", "count": 3}])
    introduced = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(introduced) == len(set(introduced))
    assert 'bulkhead_host_denials{type="seccomp_denied"} 3' in text
