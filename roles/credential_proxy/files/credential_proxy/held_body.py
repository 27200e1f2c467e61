# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request's body that must be complete before anything is sent: counted against the memory that all share.

It stays counted until the upstream has taken it.
"""

from __future__ import annotations

import hashlib

from .context import Context


class HeldBody:
    """The pieces of a request's body so far, and their SHA-256 where it will be signed, worked out as they arrive."""

    __slots__ = ("_context", "_conversation", "_counted", "_hash", "content")

    def __init__(self, context: Context, conversation: str, *, hashed: bool) -> None:
        """Begin without a byte."""
        self.content = bytearray()
        self._context = context
        self._conversation = conversation
        self._counted = 0
        self._hash = hashlib.sha256() if hashed else None

    @property
    def sha256(self) -> str:
        """Return the hash in hexadecimal digits, nothing for a body whose hash nobody needs."""
        return self._hash.hexdigest() if self._hash is not None else ""

    def add(self, piece: bytes) -> None:
        """Take a piece while there is memory for it."""
        self._context.hold(self._conversation, len(piece))
        self._counted += len(piece)
        self.content += piece
        if self._hash is not None:
            self._hash.update(piece)

    def release(self) -> None:
        """Give the memory back, once."""
        if self._counted:
            self._context.give_back(self._conversation, self._counted)
            self._counted = 0
            self.content.clear()
