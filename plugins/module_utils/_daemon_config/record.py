# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each setting of daemon.json was before one owner first set it, so that he can put it back.

Note that this module util is PRIVATE to the collection.

A setting is what `merge` merges by: a key, or one entry of an object or option list, whose other entries may be
somebody else's. Its path is KEY or KEY/ENTRY.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.apply import ConfigFile
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import (
    Difference,
    entries,
    merge,
    with_entry,
)

_ABSENT = {"absent": True}


@dataclass
class Record:
    """`before` and `after` of each setting that the owner has changed, by path; a missing one is told by a mark.

    `left`: the owner has given the setting up, and it stayed, because somebody else had changed it.
    """

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    def given_up(self, settings: dict[str, Any], remove: list[str]) -> Record:
        """What the owner has set once and mentions no more."""
        return Record({path: entry for path, entry in self.keys.items() if not _mentioned(path, settings, remove)})

    def note(
        self, old: dict[str, Any], new: dict[str, Any], changes: list[Difference], given_up: Record | None = None
    ) -> None:
        """Remember the settings that changes touch; what was before the first change stays.

        What is given up is not touched: it has to be known until it is back.
        """
        for key in {change.key.split("/", 1)[0] for change in changes}:
            whole = {"before": _marked(old, key), "after": _marked(new, key)}
            for path, entry in ({key: whole} if key in self.keys else _by_entry(key, whole)).items():
                if given_up is not None and path in given_up.keys:
                    continue
                known = self.keys.get(path)
                if known is not None and "left" not in known:
                    entry["before"] = known["before"]
                self.keys[path] = entry

    def undo(self, current: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """current with every setting as it was before, and those that somebody else has changed since: they stay."""
        result = dict(current)
        foreign = []
        for path, entry in sorted(self.keys.items()):
            now = _marked(result, path)
            if now == entry["before"]:
                continue
            if now == entry["after"]:
                # Replaced as a whole: first taken out, then set, because objects would merge.
                result = merge(result, _settings(path, entry["before"]), [path])
            else:
                foreign.append(path)
        return result, foreign

    def without(self, given_up: Record, foreign: list[str]) -> Record:
        """What is to be remembered after the way back. What has stayed, too: it may be the owner's again one day."""
        kept = {path: entry for path, entry in self.keys.items() if path not in given_up.keys}
        return Record({**kept, **{path: {**self.keys[path], "left": True} for path in foreign}})


def _mentioned(path: str, settings: dict[str, Any], remove: list[str]) -> bool:
    key, slash, name = path.partition("/")
    if key in remove or path in remove:
        return True
    wished = entries(key, settings[key]) if key in settings else {}
    return wished is None or (name in wished if slash else key in settings)


def _marked(document: dict[str, Any], path: str) -> dict[str, Any]:
    key, slash, name = path.partition("/")
    return _mark(entries(key, document.get(key)) or {}, name) if slash else _mark(document, key)


def _mark(holder: dict[str, Any], name: str) -> dict[str, Any]:
    return {"value": holder[name]} if name in holder else _ABSENT


def _settings(path: str, marked: dict[str, Any]) -> dict[str, Any]:
    """The settings that put back what was marked; none for what was missing."""
    key, slash, name = path.partition("/")
    if marked == _ABSENT:
        return {}
    return with_entry(key, name, marked["value"]) if slash else {key: marked["value"]}


def _by_entry(key: str, whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The change of a whole key as changes of its entries; as it is where the key has none."""
    before, after = (
        {} if whole[side] == _ABSENT else entries(key, whole[side]["value"]) for side in ("before", "after")
    )
    if before is None or after is None:
        return {key: whole}
    sides = {f"{key}/{name}": (_mark(before, name), _mark(after, name)) for name in {**before, **after}}
    return {path: {"before": old, "after": new} for path, (old, new) in sides.items() if old != new}


def load(path: str | None) -> Record:
    """Read the record; an empty one where there is none yet. One that cannot be read is refused."""
    try:
        found = json.loads(Path(path).read_text())["keys"] if path else {}
        # An older record knows whole keys only.
        parts = [{key: entry} if "/" in key else _by_entry(key, entry) for key, entry in found.items()]
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DaemonConfigError(
            f"cannot read {path}, which remembers former settings of Docker: {error!r}; restore it from a backup, "
            "or remove it and what it remembered stays in daemon.json; nothing was changed"
        ) from error
    return Record({key: entry for part in parts for key, entry in part.items()})


def file_of(path: str) -> ConfigFile:
    """For root alone: what a key held before may be somebody's secret. Each time a new file, whatever the mode of the
    old one."""
    return ConfigFile(path, os.replace, mode=0o600)


def save(path: str, record: Record) -> None:
    file_of(path).write(json.dumps({"keys": record.keys}, indent=2, sort_keys=True) + "\n")
