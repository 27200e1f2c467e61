# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a loop file and the XFS in it larger, with Docker running.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import Host
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.wish import Wish


def grow(host: Host, wish: Wish, size: int) -> None:
    """To `size` bytes. Cut short after any step, the data is as it was, and the next run does the rest."""
    file = wish.loop_file
    devices = host.do(
        "find the loop device", "losetup", "--associated", file, "--noheadings", "--output", "NAME"
    ).split()
    maker = ["fallocate", "--length"] if wish.preallocate else ["truncate", "--size"]
    host.do(f"grow {file}", *maker, str(size), file)
    for device in devices:
        host.do(f"tell {device} the new size", "losetup", "--set-capacity", device)
    host.do(f"grow the XFS at {wish.root}", "xfs_growfs", wish.root)
