# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""More children than the limit allows. Each lives until its parent has counted it, and a minute at the most."""

from __future__ import annotations

from ..probe import Figures, Impossible, Probe, Surroundings

_BEYOND = 64

_SCRIPT = """
import json, os, signal, sys
wanted = json.loads(sys.argv[1])["children"]
children, error = [], "no error"
try:
    while len(children) < wanted:
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            signal.pause()
            os._exit(0)
        children.append(child)
except OSError as caught:
    error = caught.strerror
for child in children:
    os.kill(child, signal.SIGKILL)
for child in children:
    os.waitpid(child, 0)
evidence = f"{len(children)} of {wanted} children, {error}"
print(json.dumps({"succeeded": len(children) == wanted, "evidence": evidence}))
"""


def _figures(surroundings: Surroundings) -> Figures | Impossible:
    if surroundings.pids is None:
        return Impossible(reason="the container has no process limit that could be exceeded")
    return {"children": surroundings.pids + _BEYOND}


PROBE = Probe(
    id="fork_bomb",
    layer="L3",
    title="Start more processes than the limit allows",
    script=_SCRIPT,
    figures=_figures,
    references=("security design, table of destructive commands: fork bomb", "CIS Docker 5.29"),
)
