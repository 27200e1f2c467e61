# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What JSON will cost, before it is parsed: memory and time go with the number of its values, not with its bytes."""

from __future__ import annotations

import re
from typing import Final

_PARTS: Final = (b"{", b"[", b",")
# One that does not end counts, too: to look for the next would take a time that grows with the square of the size.
_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def parts_of(body: bytes | bytearray, most: int) -> int:
    """Count brackets and commas; where there seem to be more than ``most``, those in texts are left out.

    A long table in a text has many. Where there are many texts as well, to leave them out would take longer than to
    parse.
    """
    parts = len(body) - len(body.translate(None, b"".join(_PARTS)))
    if parts > most and body.count(b'"') <= most:
        parts -= sum(body.count(part, *text.span()) for text in _TEXT.finditer(body) for part in _PARTS)
    return parts
