# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gVisor's program for a native daemon: Debian 13's package, unpacked and not installed; it is linked statically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vm.debian import unpack
from vm.locks import one_at_a_time
from vm.shell import as_root, run

from workloads.image import CHECKOUT, RELEASE

TREE = CHECKOUT / "build" / "gvisor"
# As the role gvisor registers it.
ARGUMENTS = ("--network=none", "--host-uds=open")


def program() -> Path:
    """The path of ``runsc``; fetched by apt, with its signature checks, unless it is there."""
    TREE.parent.mkdir(exist_ok=True)
    with one_at_a_time(TREE.with_suffix(".lock")):
        if not TREE.exists():
            work = TREE.with_suffix(".part")
            run("clear the work folder", as_root(["rm", "-rf", str(work)]))
            unpack("fetch gVisor", RELEASE, work, ["runsc"], variant="extract")
            work.rename(TREE)
    return TREE / "usr" / "bin" / "runsc"


def settings() -> dict[str, Any]:
    """Keys of daemon.json by which a daemon knows the runtime ``runsc``."""
    return {"runtimes": {"runsc": {"path": str(program()), "runtimeArgs": list(ARGUMENTS)}}}
