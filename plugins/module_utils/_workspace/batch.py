# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The result of a batch: each conversation's own, and the task's, which fails when one of them did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import InvalidRequestError, LayerNotInForceError, WorkspaceError
from .report import outcome_result
from .service import Outcome
from .wish import Wish


def batch_result(wishes: Sequence[Wish], results: Sequence[Outcome | WorkspaceError]) -> dict[str, Any]:
    """The result of a task with `workspaces`; ``failed`` and ``msg`` are there only when something failed."""
    each = [_result(wish, result) for wish, result in zip(wishes, results, strict=True)]
    failed = [entry for entry in each if entry["failed"]]
    told: dict[str, Any] = {
        "changed": any(entry["changed"] for entry in each),
        "workspaces": each,
        "diff": [
            {**entry.pop("diff"), "before_header": entry["conversation_id"], "after_header": entry["conversation_id"]}
            for entry in each
            if not entry["failed"]
        ],
    }
    if failed:
        listed = "".join(f"\n  - {entry['conversation_id']}: {entry['msg']}" for entry in failed)
        told |= {"failed": True, "msg": f"cannot keep {len(failed)} of {len(each)} workspaces:{listed}"}
    return told


def _result(wish: Wish, result: Outcome | WorkspaceError) -> dict[str, Any]:
    if not isinstance(result, WorkspaceError):
        return {"failed": False, "warnings": list(result.warnings), **outcome_result(wish.conversation_id, result)}
    told: dict[str, Any] = {
        "failed": True,
        "changed": False,
        "conversation_id": wish.conversation_id,
        "msg": str(result),
    }
    if isinstance(result, InvalidRequestError):
        told["problems"] = list(result.problems)
    if isinstance(result, LayerNotInForceError):
        told["layers"] = result.layers
    return told
