# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Empties a host of running containers, as far as there is consent, and lets it fill again afterwards.

Note that this module util is PRIVATE to the collection.

While the file DRAIN_FILE exists, no conversation is started on the host. It is gone after a reboot.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.wish import DrainWish, is_workspace

DRAIN_FILE = Path("/run/bulkhead/draining")
_POLL = 1.0


@dataclass
class Drained:
    """``waited`` seconds; ``stopped`` conversations and ``others`` by name; ``back``: others that run again."""

    waited: float = 0.0
    stopped: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return {"waited": round(self.waited, 1), "stopped": self.stopped, "others": self.others, "back": self.back}


@contextmanager
def drained(engine: Engine, wish: DrainWish, *, why: str, active: bool) -> Iterator[Drained]:
    """The block runs on a host without the containers that wish allows to stop.

    The caller has refused where `obstacles` finds any. Nothing is done where Docker is not `active`, or nothing runs.
    """
    result = Drained()
    if not active or not engine.containers():
        yield result
        return
    DRAIN_FILE.parent.mkdir(mode=0o755, exist_ok=True)
    DRAIN_FILE.write_text(f"{why}, since {time.strftime('%Y-%m-%d %H:%M:%S %Z')}\n")
    try:
        _empty(engine, wish, result)
        yield result
    finally:
        DRAIN_FILE.unlink(missing_ok=True)
        for name in result.others:
            try:
                engine.start(name)
                result.back.append(name)
            except NoAnswerError:
                # Hidden by the change, or Docker is down: the caller's own message says so.
                continue


def _empty(engine: Engine, wish: DrainWish, result: Drained) -> None:
    began = time.monotonic()
    if wish.workspaces:
        while any(is_workspace(one) for one in engine.containers()) and time.monotonic() - began < wish.deadline:
            time.sleep(_POLL)
    result.waited = time.monotonic() - began
    for container in engine.containers():
        if wish.workspaces and is_workspace(container):
            engine.stop(container.name, wish.grace)
            result.stopped.append(container.name)
        elif not is_workspace(container) and container.name in wish.others:
            engine.stop(container.name, wish.grace)
            result.others.append(container.name)
