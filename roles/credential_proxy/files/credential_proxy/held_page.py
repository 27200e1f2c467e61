# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index page that is rewritten as a whole: held while it arrives, then given out as fast as the client takes it."""

from __future__ import annotations

from .limits import HIGH_WATER


class HeldPage:
    """What has arrived of a page, later what the client has not got of the new one; ``counted`` of it, in bytes."""

    __slots__ = ("_rest", "arrived", "counted")

    def __init__(self) -> None:
        """Begin without a byte."""
        self.arrived = bytearray()
        self.counted = 0
        self._rest = memoryview(b"")

    @property
    def waits(self) -> bool:
        """Tell whether there is more for the client."""
        return bool(self._rest)

    def take(self) -> bytes:
        """Return what has arrived, and keep nothing of it."""
        page = bytes(self.arrived)
        self.arrived.clear()
        return page

    def put(self, answer: bytes) -> None:
        """Keep what the client gets instead."""
        self._rest = memoryview(answer)

    def next_piece(self) -> bytes:
        """Return as much as may wait in a client's stream; nothing when that was all."""
        piece = bytes(self._rest[:HIGH_WATER])
        self._rest = self._rest[HIGH_WATER:]
        if not self._rest:
            self.drop()
        return piece

    def drop(self) -> None:
        """Keep nothing; an empty view of a page would keep the page."""
        self.arrived.clear()
        self._rest = memoryview(b"")
