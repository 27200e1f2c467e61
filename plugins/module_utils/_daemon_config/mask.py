# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json as it may be shown: results are registered, logged, and kept by whoever runs the playbook.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "*" * 8
#: The addresses of proxies carry passwords more often than not, and options such as splunk-token are nothing else.
_SECRET = re.compile(r"\Aproxies\Z|token|passw(or)?d|secret|credential|api[-_]?key", re.IGNORECASE)
#: Up to the last @, for a password may hold a / or another @.
_USERINFO = re.compile(r"(?<=://)\S+@")


def masked(value: Any, *, secret: bool = False) -> Any:
    """value without what may be a secret; the names of all settings stay."""
    if isinstance(value, dict):
        return {name: masked(inner, secret=secret or bool(_SECRET.search(name))) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, secret=secret) for inner in value]
    if secret:
        return MASK
    return _USERINFO.sub(f"{MASK}@", value) if isinstance(value, str) else value
