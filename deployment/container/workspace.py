# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and ends the container of a conversation by hand, on the Docker host, as root, and shows its layers.

The collection's plugins must be on PYTHONPATH, as deployment/README.md says. A back end imports the same functions.
"""

from __future__ import annotations

import argparse
import sys

from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces


def main() -> int:
    parser = argparse.ArgumentParser(prog="workspace", description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("start", help="create and start what is needed, and ask the kernel for each layer")
    start.add_argument("conversation")
    start.add_argument("image")
    end = verbs.add_parser("end", help="remove container, volumes with all files, and socket")
    end.add_argument("conversation")
    options = parser.parse_args()
    try:
        if options.verb == "end":
            workspaces.remove(options.conversation)
            return 0
        layers = workspaces.create(options.conversation, options.image)["layers"]
    except workspaces.WorkspaceError as error:
        print(error, file=sys.stderr)
        return 1
    for name, layer in layers.items():
        print(name, layer["status"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
