# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json as it may be shown: results are registered, logged, and kept by whoever runs the playbook.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.merge import Difference

MASK = "*" * 8
#: The addresses of proxies carry passwords more often than not, and options such as splunk-token are nothing else.
_SECRET = re.compile(r"\Aproxies\Z|token|passw(or)?d|secret|credential|api[-_]?key", re.IGNORECASE)
#: Up to the last @, for a password may hold a / or another @.
_USERINFO = re.compile(r"(?<=://)\S+@")


def masked_pair(before: Any, after: Any, *, path: str = "") -> tuple[Any, Any]:
    """Two values of the setting at path, KEY or KEY/ENTRY. Where only what is hidden differs, the second says so."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = {**before, **after}
        pairs = {name: masked_pair(before.get(name), after.get(name), path=f"{path}/{name}") for name in names}
        return {name: pairs[name][0] for name in before}, {name: pairs[name][1] for name in after}
    secret = any(_SECRET.search(part) for part in path.split("/"))
    old, new = masked(before, secret=secret), masked(after, secret=secret)
    return old, f"{MASK} (another)" if old == new and before != after else new


def presentable_changes(changes: list[Difference]) -> list[dict[str, Any]]:
    """Differences as results may name them."""
    shown = []
    for change in changes:
        before, after = masked_pair(change.before, change.after, path=change.key)
        shown.append(replace(change, before=before, after=after).as_dict())
    return shown


def masked(value: Any, *, secret: bool = False) -> Any:
    """value without what may be a secret; the names of all settings stay."""
    if isinstance(value, dict):
        return {name: masked(inner, secret=secret or bool(_SECRET.search(name))) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, secret=secret) for inner in value]
    if secret and value is not None:
        return MASK
    return _USERINFO.sub(f"{MASK}@", value) if isinstance(value, str) else value
