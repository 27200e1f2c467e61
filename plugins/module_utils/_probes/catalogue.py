# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""All probes, in the order in which they run. A new one is a file in probes/ and its name here.

The name is needed: Ansible sends to a target only the files that are imported by name.
"""

from __future__ import annotations

from .probe import Probe
from .probes import (
    credentials,
    file_systems,
    host,
    kernel_files,
    limits,
    network,
    privileged,
    processes,
    proxy,
    reach,
    sockets,
)

_FAMILIES = (
    processes,
    host,
    reach,
    privileged,
    sockets,
    kernel_files,
    network,
    file_systems,
    proxy,
    credentials,
    limits,
)

PROBES: dict[str, Probe] = {probe.id: probe for family in _FAMILIES for probe in family.PROBES}
