# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Creates files on the root file system, as root inside: not permissions, but the mount must refuse it."""

from __future__ import annotations

from ..probe import Probe

_SCRIPT = """
import json, os
seen, written = [], False
for directory in ("/", "/etc", "/usr/bin", "/opt"):
    path = os.path.join(directory, f".bulkhead-probe-{os.getpid()}")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(path)
        written = True
        seen.append(f"{directory}: written")
    except OSError as caught:
        seen.append(f"{directory}: {caught.strerror}")
print(json.dumps({"succeeded": written, "evidence": ", ".join(seen)}))
"""

PROBE = Probe(
    id="root_write",
    layer="L5",
    title="Write to the root file system as root",
    script=_SCRIPT,
    user="0:0",
    references=("security design, table of destructive commands: rm -rf /", "CIS Docker 5.13"),
)
