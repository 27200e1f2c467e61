# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each key of daemon.json was before one owner first set it, so that he can put it back.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import Difference

_ABSENT = {"absent": True}


@dataclass
class Record:
    """`before` and `after` of each top-level key that the owner has changed; a missing key is told by a mark."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, old: dict[str, Any], new: dict[str, Any], changes: list[Difference]) -> None:
        """Remember the keys that changes touch; what was before the first change stays."""
        for key in {change.key.split("/", 1)[0] for change in changes}:
            entry = self.keys.setdefault(key, {"before": _marked(old, key)})
            entry["after"] = _marked(new, key)

    def undo(self, current: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """current with every key as it was before, and the keys that somebody else has changed since: they stay."""
        result = dict(current)
        foreign = []
        for key, entry in sorted(self.keys.items()):
            if _marked(current, key) != entry["after"]:
                foreign.append(key)
            elif entry["before"] == _ABSENT:
                result.pop(key, None)
            else:
                result[key] = entry["before"]["value"]
        return result, foreign

    def wish(self, current: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
        """The way back as a wish: settings, keys to remove, and keys that stay because somebody else changed them."""
        before, foreign = self.undo(current)
        # Keys are replaced as a whole: first taken out, then set, because objects would merge.
        changed = {key: value for key, value in before.items() if key not in current or current[key] != value}
        gone = [key for key in current if key not in before or key in changed]
        return changed, gone, foreign


def _marked(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {"value": document[key]} if key in document else _ABSENT


def load(path: str) -> Record:
    try:
        return Record(json.loads(Path(path).read_text())["keys"])
    except (FileNotFoundError, ValueError, KeyError):
        return Record()


def text_of(record: Record) -> str:
    return json.dumps({"keys": record.keys}, indent=2, sort_keys=True) + "\n"
