# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A connection to a socket that a conversation's program listens on, made from the host.

Code inside can put anything under the socket's name, such as a link to a socket of the host. So no link is followed:
each part of the path is opened on its own, below the root of the container's first process.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import PurePosixPath

from .errors import WorkspaceError
from .kernel import PROC

_PART = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def connect(pid: int, path: str, timeout: float | None = None) -> socket.socket:
    """Connects to the unix socket ``path`` in the container whose first process is ``pid``."""
    # The image's /var/run is a link; what it leads to is known.
    plain = PurePosixPath("/run") / path.removeprefix("/var/run/") if path.startswith("/var/run/") else path
    parts = PurePosixPath(plain).parts
    if not parts or parts[0] != "/" or ".." in parts:
        raise WorkspaceError(f"cannot connect to {path!r} in the container: it is no absolute path in plain spelling")
    held: list[int] = []
    try:
        held.append(os.open(PROC / str(pid) / "root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        for part in parts[1:]:
            held.append(os.open(part, _PART, dir_fd=held[-1]))
        if not stat.S_ISSOCK(os.fstat(held[-1]).st_mode):
            raise WorkspaceError(f"cannot connect to {path} in the container: it is no socket")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(f"/proc/self/fd/{held[-1]}")
        except OSError:
            connection.close()
            raise
    except OSError as error:
        raise WorkspaceError(
            f"cannot connect to {path} in the container: {error.strerror or error}; see that its program listens there"
        ) from error
    finally:
        for descriptor in held:
            os.close(descriptor)
    return connection
