# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The /etc/hosts of every container without a network.

Docker can be told to leave the network of a container alone altogether: runc then makes an empty one, in which only the
loopback interface is up. That saves two runs of dockerd's own program for each start, a third of all its work (20.10).
But then nobody writes /etc/hosts either, and `localhost` would have no address. So one file serves all of them.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from . import names
from .errors import WorkspaceError

# Word for word what Docker writes for a container with `--network none`.
CONTENT = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
_one_at_a_time = Lock()


def ensure(path: Path = Path(names.HOSTS_FILE)) -> None:
    """Makes sure that the file is there and says the right thing, whoever deleted or edited it."""
    with _one_at_a_time:
        try:
            if _is_right(path):
                return
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            fresh.write_text(CONTENT)
            fresh.chmod(0o644)
            fresh.replace(path)
        except OSError as error:
            raise WorkspaceError(f"cannot write {path}: {error.strerror}; run the task as root") from error


def _is_right(path: Path) -> bool:
    try:
        return path.read_text() == CONTENT
    except (FileNotFoundError, UnicodeDecodeError):
        return False
