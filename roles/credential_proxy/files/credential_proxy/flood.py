# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that cost a container nothing and the audit log a line: refusals, answers that the proxy makes itself, and
whatever ends before an upstream has said anything.

No line is left out. A conversation that causes too many is let in more slowly instead, so that it cannot fill the disk
without which nobody is served.
"""

from __future__ import annotations

from .limits import UNSERVED_AT_ONCE, UNSERVED_PER_SECOND


class FloodGuard:
    """A leaking bucket for each conversation; times are the reactor's, in seconds."""

    def __init__(self) -> None:
        """Begin with empty buckets."""
        self._levels: dict[str, tuple[float, float]] = {}

    def count(self, conversation: str, now: float) -> float:
        """Note one such request; return what ``wait`` says after it."""
        self._levels[conversation] = self._level(conversation, now) + 1.0, now
        return self.wait(conversation, now)

    def wait(self, conversation: str, now: float) -> float:
        """Return for how many seconds the conversation must wait; 0 for one that has caused few."""
        return max(0.0, self._level(conversation, now) - UNSERVED_AT_ONCE) / UNSERVED_PER_SECOND

    def forget(self, conversation: str) -> None:
        """Drop the bucket of a conversation that ended."""
        self._levels.pop(conversation, None)

    def _level(self, conversation: str, now: float) -> float:
        level, since = self._levels.get(conversation, (0.0, now))
        return max(0.0, level - (now - since) * UNSERVED_PER_SECOND)
