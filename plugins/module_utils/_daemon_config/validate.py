# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dockerd itself says about a file before it is written.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.document import render
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import (
    DaemonConfigError,
)


def validate(module: AnsibleModule, document: dict[str, Any], path: str) -> None:
    """Ask dockerd, where it can be asked (23 and later) and is installed; its refusal is a DaemonConfigError."""
    dockerd = module.get_bin_path("dockerd", opt_dirs=["/usr/sbin"])
    if not dockerd:
        return
    _rc, usage, _err = module.run_command([dockerd, "--help"])
    if "--validate" not in usage:
        return
    # Even to validate, dockerd makes the user of userns-remap and its subordinate ids; a check must not.
    harmless = {key: value for key, value in document.items() if key != "userns-remap"}
    with tempfile.NamedTemporaryFile("w", dir=module.tmpdir, suffix=".json") as stream:
        stream.write(render(harmless))
        stream.flush()
        rc, out, err = module.run_command([dockerd, "--validate", "--config-file", stream.name])
        if rc != 0:
            cause = (err or out).strip().replace(stream.name, "it")
            raise DaemonConfigError(
                f"cannot change {path}: dockerd --validate refuses the merged file: {cause}; "
                "correct the settings; nothing was changed"
            )
