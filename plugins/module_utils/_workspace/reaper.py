# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The reaper as a program: what the systemd timer of the role workspace_reaper runs.

Prints a line for each conversation that it removed. Its exit status is 1 when one of them could not be removed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import parse
from .driver import Driver
from .errors import WorkspaceError
from .reap import Settings, reap


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="workspace-reaper", description=__doc__, allow_abbrev=False)
    parser.add_argument("--docker-host", default="unix:///var/run/docker.sock")
    parser.add_argument("--orphan-grace", default="10m", help="for example 10m")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    chosen = parser.parse_args(arguments)
    try:
        grace = parse.duration(chosen.orphan_grace) or 0
        ended = reap(Driver(chosen.docker_host), Settings(orphan_grace=grace), dry_run=chosen.dry_run)
    except (ValueError, WorkspaceError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for entry in ended:
        sys.stdout.write(f"{entry.conversation_id}: {entry.reason}: {entry.error or '; '.join(entry.actions)}\n")
    return 1 if any(entry.error for entry in ended) else 0


if __name__ == "__main__":
    raise SystemExit(main())
