# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel logs -> what the readers of the log propose; the lines are from real machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROLES = Path(__file__).parents[3] / "roles"
PROFILE = ROLES.parent / "deployment" / "seccomp" / "workspace-seccomp.json"

APPARMOR = """\
type=AVC msg=audit(1.1:1): apparmor="DENIED" operation="open" class="file" profile="workspace-container" \
name="/srv/data/set.csv" pid=9 comm="python3" requested_mask="r" denied_mask="r" fsuid=101000 ouid=101000
type=AVC msg=audit(1.1:2): apparmor="ALLOWED" operation="open" class="file" profile="workspace-container" \
name="/proc/564/coredump_filter" pid=9 comm="java" requested_mask="wr" denied_mask="wr" fsuid=101000 ouid=101000
type=AVC msg=audit(1.1:3): apparmor="DENIED" operation="exec" class="file" profile="workspace-container" \
name=2F746D702F6120622F78 pid=9 comm="sh" requested_mask="x" denied_mask="x" fsuid=101000 ouid=101000
type=AVC msg=audit(1.1:4): apparmor="DENIED" operation="create" class="net" profile="workspace-container" \
pid=9 comm="ping" family="inet" sock_type="raw" protocol=1 requested_mask="create" denied_mask="create"
type=AVC msg=audit(1.1:5): apparmor="DENIED" operation="open" class="file" profile="other" name="/x" comm="x"
"""
SECCOMP = """\
[1.1] audit: type=1326 audit(1.1:1): auid=1 uid=1 gid=1 ses=1 pid=9 comm="rsync" exe="/usr/bin/rsync" sig=0 \
arch=c000003e syscall=275 compat=0 ip=0x7f code=0x7ffc0000
[1.1] audit: type=1326 audit(1.1:2): auid=1 uid=1 gid=1 ses=1 pid=9 comm="ping" exe="/usr/bin/ping" sig=0 \
arch=c000003e syscall=41 compat=0 ip=0x7f code=0x7ffc0000
[1.1] audit: type=1326 audit(1.1:3): auid=1 uid=1 gid=1 ses=1 pid=9 comm="evil" exe="/usr/bin/evil" sig=31 \
arch=40000003 syscall=20 compat=1 ip=0x7f code=0x0
"""


def propose(program: str, log: str, *arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, str(ROLES / program), "--log", "-", *arguments]
    done = subprocess.run(command, input=log, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_apparmor_accesses_become_lines_for_variables() -> None:
    code, lines = propose("apparmor/files/apparmor_denials.py", APPARMOR)
    assert code == 0
    assert "r /srv/data/set.csv: python3" in lines
    assert "wr /proc/[0-9]*/coredump_filter: java" in lines
    assert "apparmor_extra_read_only: [/srv/data]" in lines
    assert "# /tmp/a b/x ix,  (no variable opens /tmp for it)" in lines
    assert "net: operation=create family=inet sock_type=raw denied_mask=create: ping" in lines
    assert not [line for line in lines if line.startswith("r /x")]


def test_seccomp_calls_become_a_line_for_the_variable() -> None:
    code, lines = propose("seccomp/files/seccomp_denials.py", SECCOMP, "--profile", str(PROFILE))
    assert code == 0
    assert lines == [
        "socket: ping (/usr/bin/ping) - with arguments that the profile refuses",
        "splice: rsync (/usr/bin/rsync)",
        "seccomp_extra_allowed: [splice]",
    ]


def test_an_empty_log_is_said_to_be_empty() -> None:
    for program in ("apparmor/files/apparmor_denials.py", "seccomp/files/seccomp_denials.py"):
        code, lines = propose(program, "nothing\n")
        assert code == 3
        assert "logged" in lines[0]
