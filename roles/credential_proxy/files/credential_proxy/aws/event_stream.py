# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS event streams (application/vnd.amazon.eventstream), read far enough to find each message's payload."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

_PRELUDE: Final = struct.Struct("!II")
_PRELUDE_BYTES: Final = 12
_CHECKSUM_BYTES: Final = 4
_LONGEST: Final = 24 * 1024 * 1024


class Frames:
    """Cuts a stream into payloads. A stream that is not well-formed yields nothing more: it is only watched here."""

    __slots__ = ("_broken", "_buffer")

    def __init__(self) -> None:
        """Begin before the first message."""
        self._buffer = bytearray()
        self._broken = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add bytes and give the payloads that are complete."""
        if self._broken:
            return
        self._buffer += data
        while len(self._buffer) >= _PRELUDE_BYTES:
            total, headers = _PRELUDE.unpack_from(self._buffer)
            if not _PRELUDE_BYTES + headers + _CHECKSUM_BYTES <= total <= _LONGEST:
                self._broken = True
                self._buffer.clear()
                return
            if len(self._buffer) < total:
                return
            payload = bytes(self._buffer[_PRELUDE_BYTES + headers : total - _CHECKSUM_BYTES])
            del self._buffer[:total]
            yield payload
