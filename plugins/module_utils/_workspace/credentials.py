# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How a credential looks: by the name of its variable, and what of a secret file would be a leak if found inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

# Names under which programs expect a secret. The container gets its credentials from the proxy, never from here.
_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?|ACCESS_KEY(?:_ID)?)(?:_|$)", re.IGNORECASE
)
# Some programs refuse to start without a key; such words are visibly none.
_PLACEHOLDERS = frozenset({"", "none", "placeholder", "proxy", "unused"})
# Shorter strings occur by chance.
SHORTEST = 12


def suspicious(environment: Mapping[str, str]) -> list[str]:
    """Names of variables that seem to hold a credential."""
    return sorted(
        name for name, value in environment.items() if _NAME.search(name) and value.lower() not in _PLACEHOLDERS
    )


def needles(content: bytes) -> frozenset[bytes]:
    """The byte strings of one secret file that must not occur in a container."""
    found = {content.strip()}
    try:
        document = json.loads(content)
    except ValueError:
        found.update(content.split())
    else:
        found.update(text.encode() for text in _strings(document))
    return frozenset(needle for needle in found if len(needle) >= SHORTEST)


def _strings(document: Any) -> Iterable[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from _strings(value)
    elif isinstance(document, list):
        for value in document:
            yield from _strings(value)
