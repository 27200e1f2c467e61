# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Connects to the address where clouds hand out credentials. The control shares the host's network."""

from __future__ import annotations

from ..probe import Figures, Probe, Surroundings

METADATA = ("169.254.169.254", 80)

_SCRIPT = """
import json, socket
try:
    with socket.create_connection(("169.254.169.254", 80), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\\r\\nHost: 169.254.169.254\\r\\n\\r\\n")
        answer = connection.recv(80).partition(b"\\r")[0].decode(errors="replace")
    print(json.dumps({"succeeded": True, "evidence": f"connected, answer {answer!r}"}))
except OSError as caught:
    print(json.dumps({"succeeded": False, "evidence": f"cannot connect: {caught.strerror or caught}"}))
"""


def _obstacle(surroundings: Surroundings, _figures: Figures) -> str:
    return "" if surroundings.metadata_answers else f"nothing answers at {METADATA[0]}:{METADATA[1]} on this host"


PROBE = Probe(
    id="metadata_contact",
    layer="L4",
    title="Contact the cloud's metadata service",
    script=_SCRIPT,
    # Docker allows the host's network only together with the host's users.
    control_host_config={"NetworkMode": "host", "UsernsMode": "host"},
    control_obstacle=_obstacle,
    references=("security design, table of destructive commands: curl of the metadata service",),
)
