# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Files of root's that modules put in place."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

_OWNER = {"owner": "root", "group": "root"}


def write(module: AnsibleModule, file: Path, content: bytes) -> None:
    """Put a file in place whole, or not at all."""
    handle, name = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    module.atomic_move(name, str(file))


def settle(module: AnsibleModule, path: Path, mode: str) -> bool:
    """Make it root's, with this mode; whether that changed something, or would."""
    wanted = {"path": str(path), "mode": mode, "attributes": None, "secontext": [None, None, None], **_OWNER}
    return bool(module.set_fs_attributes_if_different(wanted, False))
