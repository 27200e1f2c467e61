# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json as text: reading it strictly, writing it readably.

Note that this module util is PRIVATE to the collection.

A file that is not JSON is never repaired or replaced by guesswork: dockerd refuses it as well, and what
its author meant is not ours to decide.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import (
    DaemonConfigError,
)

CURE = "correct the file by hand, or move it away if it is not needed; nothing was changed"


def parse(text: str, path: str) -> dict[str, Any]:
    """The settings in text. An empty file holds no settings."""
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise DaemonConfigError(f"cannot read {path}: not JSON, {where}; {CURE}") from error
    except _DoubleKeyError as error:
        raise DaemonConfigError(f"cannot read {path}: {error}; {CURE}") from error
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise DaemonConfigError(f"cannot read {path}: line 1: the file holds a {kind}, not an object; {CURE}")
    return document


def render(document: dict[str, Any]) -> str:
    """The text of document, in its own order, so that a reader finds his keys where he put them."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class _DoubleKeyError(Exception):
    """A key stands twice in one object: one of the two would be lost when the file is written again."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _DoubleKeyError(f"the key {key!r} stands twice in one object")
        result[key] = value
    return result
