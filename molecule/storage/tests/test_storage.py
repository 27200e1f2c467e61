# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left when all starting points have been walked: /etc/fstab as it was, and no unit of ours."""

from __future__ import annotations

from testinfra.host import Host


def test_fstab_says_again_what_its_administrator_wrote(host: Host) -> None:
    line = "/var/lib/docker xfs defaults,noatime,x-systemd.requires=spare.service 0 0"
    assert line in host.file("/etc/fstab").content_string


def test_no_unit_of_ours_is_left(host: Host) -> None:
    assert host.run("grep -rl bulkhead /etc/systemd/system").stdout == ""
    assert not host.file("/var/lib/docker.converting").exists
