# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""One run at a time for each conversation of a host, across processes and threads.

Without it, two runs that begin together would each see no volume, and the one that fails would remove what the other
has just made. The lock files are 4096 slots: they need no tidying, and two conversations seldom share one.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .errors import WorkspaceError

# Below /run, which only root can write: in /run/lock anybody could make it first.
DIRECTORY = Path("/run/bulkhead/locks")
_SLOTS = 4096
_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.02


@contextmanager
def locked(conversation_ids: Iterable[str], *, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Holds the conversations for a ``with`` block; raises WorkspaceError when another run does not end."""
    slots: dict[int, str] = {}
    for conversation_id in conversation_ids:
        slots.setdefault(zlib.crc32(conversation_id.encode()) % _SLOTS, conversation_id)
    deadline = time.monotonic() + patience
    with ExitStack() as held:
        # Always in the same order, so that no two runs wait for each other.
        for slot, conversation_id in sorted(slots.items()):
            held.callback(os.close, _take(slot, conversation_id, deadline))
        yield


def _take(slot: int, conversation_id: str, deadline: float) -> int:
    path = DIRECTORY / f"{slot:03x}"
    try:
        DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise WorkspaceError(
            f"cannot lock conversation {conversation_id} ({path}): {error.strerror}; run the task as root"
        ) from error
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise WorkspaceError(
                    f"cannot lock conversation {conversation_id} ({path}): another run still works on it; "
                    "wait for that run to end and try again"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return descriptor
