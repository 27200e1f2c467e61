# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Takes more of /workspace than its limit: blocks are reserved up to the edge, which is fast, and written beyond it."""

from __future__ import annotations

from ..probe import MEBIBYTE, Figures, Impossible, Probe, Surroundings

_BEYOND = 32 * MEBIBYTE
_RESERVE = 256 * MEBIBYTE

_SCRIPT = """
import json, os, sys
target = json.loads(sys.argv[1])["bytes"]
path = f"/workspace/.bulkhead-probe-{os.getpid()}"
block = b"x" * (1 << 20)
taken, step, error = 0, 1 << 30, "no error"
descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
try:
    while taken < target - len(block) and step >= len(block):
        size = min(step, target - len(block) - taken)
        try:
            os.posix_fallocate(descriptor, taken, size)
            taken += size
        except OSError as caught:
            error, step = caught.strerror, step // 2
    try:
        while taken < target:
            taken += os.pwrite(descriptor, block, taken)
        os.fsync(descriptor)
    except OSError as caught:
        error = caught.strerror
finally:
    os.close(descriptor)
    os.unlink(path)
print(json.dumps({"succeeded": taken >= target, "evidence": f"{taken} of {target} bytes, {error}"}))
"""


def _figures(surroundings: Surroundings) -> Figures | Impossible:
    if surroundings.workspace is None:
        return Impossible(reason="/workspace is no volume with a limit that could be exceeded")
    return {"bytes": surroundings.workspace + _BEYOND}


def _obstacle(surroundings: Surroundings, figures: Figures) -> str:
    if surroundings.host_disk < figures["bytes"] + _RESERVE:
        return f"only {surroundings.host_disk} bytes are free where Docker keeps its volumes"
    return ""


PROBE = Probe(
    id="disk_fill",
    layer="L3",
    title="Fill /workspace beyond its limit",
    script=_SCRIPT,
    figures=_figures,
    control_volume=True,
    control_obstacle=_obstacle,
    references=("security design, table of destructive commands: dd", "moby: local volume driver, option size"),
)
