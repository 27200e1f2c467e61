# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""All probes, in the order in which they run. A new one is a file beside this one and a line here.

The line is needed: Ansible sends to a target only the files that are imported by name.
"""

from __future__ import annotations

from . import disk_fill, fork_bomb, memory_hog, metadata_contact, root_write

PROBES = {probe.PROBE.id: probe.PROBE for probe in (fork_bomb, disk_fill, memory_hog, root_write, metadata_contact)}
