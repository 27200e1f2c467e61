# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new text of daemon.json means on this host, before anything is done. Pure.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config import pending
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import (
    Difference,
    differences,
    reload_suffices,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import ServiceState


@dataclass(frozen=True)
class Plan:
    """`unproven`: an earlier run wrote the file, but no daemon has run with it yet. `due`: the daemon must take it."""

    new: dict[str, Any]
    changes: list[Difference]
    unproven: bool
    due: bool
    reload: bool


def plan(
    old: dict[str, Any],
    new: dict[str, Any],
    *,
    state: ServiceState,
    note: pending.Note | None,
) -> Plan:
    """Compare the two, and tell whether a restart, a reload or nothing follows from it."""
    changes = differences(old, new)
    unproven = pending.restart_due(note, state.started)
    by_reload = reload_suffices(changes) and (not unproven or bool(note and note.reload))
    due = state.active and (bool(changes) or unproven)
    return Plan(new=new, changes=changes, unproven=unproven, due=due, reload=due and by_reload)
