# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The conversations of a host, as workspace_container_info and the Python door list them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import layers, names, proof
from .driver import Driver
from .report import conversation_result


def conversations(driver: Driver, wanted: str | None = None, secret_files: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One entry for each conversation, in the order of their identifiers, or only the wanted one."""
    label = f"{names.CONVERSATION}={wanted}" if wanted else f"{names.MANAGED}=true"
    volumes = driver.volumes(label=label)
    found = []
    for name, identifier in driver.container_ids(label=label).items():
        # One that is being replaced is none of its own.
        container = None if name.endswith(".replaced") else driver.container(identifier)
        if container is not None:
            running = container["State"].get("Running")
            report = proof.examine(container, volumes, secret_files).report if running else layers.not_running()
            found.append(conversation_result(container, report))
    return sorted(found, key=lambda entry: str(entry["conversation_id"]))
