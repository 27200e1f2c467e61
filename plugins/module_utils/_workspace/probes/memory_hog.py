# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Touches more memory than the limit allows, in a child that volunteers to be killed first."""

from __future__ import annotations

from ..probe import MEBIBYTE, Figures, Impossible, Probe, Surroundings

_BEYOND = 128 * MEBIBYTE
_RESERVE = 256 * MEBIBYTE

# MADV_POPULATE_WRITE takes the pages in one call, many times faster than touching each (Linux 5.14, since then
# in linux/mman.h; Python has no name for it).
_SCRIPT = """
import json, mmap, os, sys
populate = 23
wanted = json.loads(sys.argv[1])["bytes"]
step = 16 << 20
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.close(reader)
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        pass
    kept = []
    try:
        while len(kept) * step < wanted:
            kept.append(mmap.mmap(-1, step, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
            try:
                kept[-1].madvise(populate)
            except OSError:
                kept[-1][0:step:4096] = b"x" * (step // 4096)
            os.write(writer, b".")
    except (MemoryError, OSError):
        os._exit(12)
    os._exit(0)
os.close(writer)
touched = 0
while chunk := os.read(reader, 4096):
    touched += len(chunk) * step
status = os.waitpid(child, 0)[1]
how = f"killed by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit status {os.WEXITSTATUS(status)}"
print(json.dumps({"succeeded": status == 0, "evidence": f"touched {touched} of {wanted} bytes, {how}"}))
"""


def _figures(surroundings: Surroundings) -> Figures | Impossible:
    if surroundings.memory is None:
        return Impossible(reason="the container has no memory limit that could be exceeded")
    return {"bytes": surroundings.memory + _BEYOND}


def _obstacle(surroundings: Surroundings, figures: Figures) -> str:
    if surroundings.host_memory < figures["bytes"] + _RESERVE:
        return f"the host has only {surroundings.host_memory} bytes of memory to spare"
    return ""


PROBE = Probe(
    id="memory_hog",
    layer="L3",
    title="Use more memory than the limit allows",
    script=_SCRIPT,
    figures=_figures,
    timeout=120,
    control_obstacle=_obstacle,
    references=("security design, table of destructive commands: memory", "CIS Docker 5.11"),
)
