# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The conversations of a host in Prometheus' text format. Pure.

What the kernel does not tell has no sample, but for events: one that nothing tells of is 0. Sizes are bytes, times
seconds, processors cores. Events are gauges: what is read from a log gets less when the log is rotated, which a counter
must never do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .events import TYPES

Sample = tuple[Mapping[str, str], float]
# Name, help, type.
_FAMILIES = {
    "bulkhead_conversations": ("Conversations by the state of their container.", "gauge"),
    "bulkhead_layer_enforced": ("1 if the layer is in force by the kernel's word, 0 if not.", "gauge"),
    "bulkhead_cpu_seconds_total": ("Processor time used since the container started.", "counter"),
    "bulkhead_cpu_throttled_seconds_total": ("Time spent waiting because of the processor limit.", "counter"),
    "bulkhead_cpu_limit_cores": ("Processors that the conversation may use.", "gauge"),
    "bulkhead_memory_bytes": ("Memory in use.", "gauge"),
    "bulkhead_memory_peak_bytes": ("Most memory that was in use at once.", "gauge"),
    "bulkhead_memory_limit_bytes": ("Memory that the conversation may use.", "gauge"),
    "bulkhead_processes": ("Processes and threads.", "gauge"),
    "bulkhead_processes_limit": ("Processes and threads that the conversation may have.", "gauge"),
    "bulkhead_disk_bytes": ("Bytes in use at a writable path.", "gauge"),
    "bulkhead_disk_limit_bytes": ("Bytes that a writable path may hold.", "gauge"),
    "bulkhead_limit_events": ("How often the conversation met a limit or a wall, by type.", "gauge"),
    "bulkhead_host_denials": ("Denials that fit no single conversation, by type.", "gauge"),
}


def render(conversations: Sequence[Mapping[str, Any]], host_events: Iterable[Mapping[str, Any]]) -> str:
    """All families that have a sample; the arguments are a Listing's."""
    samples: dict[str, list[Sample]] = {name: [] for name in _FAMILIES}
    states = Counter(str(entry["container"]["state"]) for entry in conversations)
    samples["bulkhead_conversations"] = [({"state": state}, number) for state, number in sorted(states.items())]
    samples["bulkhead_host_denials"] = [({"type": event["type"]}, event["count"]) for event in host_events]
    for entry in conversations:
        for name, labels, value in _of_conversation(entry):
            if value is not None:
                samples[name].append(({"conversation": entry["conversation_id"], **labels}, value))
    return "".join(family(name, *_FAMILIES[name], found) for name, found in samples.items() if found)


def family(name: str, text: str, kind: str, samples: Iterable[Sample]) -> str:
    """The lines of one family."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        lines.append(f"{name}{{{inner}}} {value:.17g}" if inner else f"{name} {value:.17g}")
    return "\n".join(lines) + "\n"


def _of_conversation(entry: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str], float | None]]:
    for layer, seen in entry["layers"].items():
        if seen["status"] in ("enforced", "not_enforced"):
            yield "bulkhead_layer_enforced", {"layer": layer}, float(seen["status"] == "enforced")
    # All types from the first look on: a series that appears with its first event has not changed for Prometheus.
    counts = dict.fromkeys(TYPES, 0) | {event["type"]: event["count"] for event in entry["events"]}
    for name, count in counts.items():
        yield "bulkhead_limit_events", {"type": name}, count
    usage = entry["usage"]
    if not usage:
        return
    yield "bulkhead_cpu_seconds_total", {}, usage["cpu"]["seconds"]
    yield "bulkhead_cpu_throttled_seconds_total", {}, usage["cpu"]["throttled_seconds"]
    yield "bulkhead_cpu_limit_cores", {}, usage["cpu"]["limit"]
    yield "bulkhead_memory_bytes", {}, usage["memory"]["used"]
    yield "bulkhead_memory_peak_bytes", {}, usage["memory"]["peak"]
    yield "bulkhead_memory_limit_bytes", {}, usage["memory"]["limit"]
    yield "bulkhead_processes", {}, usage["pids"]["used"]
    yield "bulkhead_processes_limit", {}, usage["pids"]["limit"]
    for path, disk in usage["disk"].items():
        yield "bulkhead_disk_bytes", {"path": path}, disk["used"]
        yield "bulkhead_disk_limit_bytes", {"path": path}, disk["limit"]


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
