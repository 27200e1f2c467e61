# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker daemon on this machine, for a test or a benchmark: own root, own socket, no network, gone at the end.

It runs at native speed, which a VM does not, but on this machine's kernel: AppArmor, cgroup v2 and XFS quota are there
only if the machine has them. So it times and tests the client side; the walls are proved in the VMs.
"""

from native_docker.daemon import Daemon, DaemonError, daemon

__all__ = ["Daemon", "DaemonError", "daemon"]
