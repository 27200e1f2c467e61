# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all connections share: the loop, the policy, the secrets, the log and the memory for held bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .audit import AuditLog
from .config import Route
from .limits import HELD_BYTES_TOTAL
from .reactor import Reactor
from .secret import Secret
from .upstream import Upstream


@dataclass(slots=True)
class Context:
    """Handed to every connection; ``stopping`` and ``held_bytes`` are the only things that change."""

    reactor: Reactor
    audit: AuditLog
    routes: tuple[Route, ...]
    secrets: Mapping[str, Secret]
    upstreams: Mapping[str, Upstream]
    held_bytes: int = 0
    stopping: bool = False

    def hold(self, count: int) -> bool:
        """Take memory for a body of unknown length, when there is some left."""
        if self.held_bytes + count > HELD_BYTES_TOTAL:
            return False
        self.held_bytes += count
        return True


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a unix socket, as the kernel says."""

    pid: int
    uid: int
