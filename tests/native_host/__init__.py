# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with systemd and Docker on this machine's own kernel, for what no emulated machine can run."""

from native_host.host import Host, HostError, host

__all__ = ["Host", "HostError", "host"]
