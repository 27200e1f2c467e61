# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The shapes in which the modules return what they did and found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import names
from .service import Outcome


def container_summary(container: Mapping[str, Any] | None) -> dict[str, Any]:
    """The few facts that identify a container."""
    if container is None:
        return {}
    return {
        "id": container["Id"],
        "name": str(container["Name"]).lstrip("/"),
        "state": container["State"]["Status"],
        "image": container["Image"],
    }


def volume_summary(container: Mapping[str, Any] | None) -> dict[str, str]:
    """Names of the volumes by target."""
    mounts = (container or {}).get("Mounts") or []
    return {mount["Destination"]: mount["Name"] for mount in mounts if mount["Type"] == "volume"}


def outcome_result(conversation_id: str, outcome: Outcome) -> dict[str, Any]:
    """The result for one conversation."""
    plan = outcome.plan
    return {
        "changed": plan.changed,
        "conversation_id": conversation_id,
        "container": container_summary(outcome.container),
        "volumes": volume_summary(outcome.container),
        "actions": [str(action) for action in plan.actions],
        "reasons": list(plan.reasons),
        "differences": [{"name": entry.name, "live": entry.live, "wanted": entry.wanted} for entry in plan.differences],
        "layers": outcome.layers,
        "image": dict(outcome.image),
        "archive": dict(outcome.archive),
        "diff": {"before": dict(plan.before), "after": dict(plan.after)},
    }


def conversation_result(container: Mapping[str, Any], layers: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """One entry of workspace_container_info."""
    labels = container["Config"].get("Labels") or {}
    return {
        "conversation_id": labels.get(names.CONVERSATION, ""),
        "container": container_summary(container),
        "volumes": volume_summary(container),
        "started_at": container["State"].get("StartedAt", ""),
        "specification": labels.get(names.SPECIFICATION, ""),
        "layers": layers,
    }
