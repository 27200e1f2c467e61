# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading /proc: samples of a Debian 13 host, and this very process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import Mount, own_mounts
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import kernel, quota, search
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError


def by_target(facts: Any) -> dict[str, Mount]:
    """The sample's mounts."""
    return {mount.target: mount for mount in facts().mounts}


def test_mounts_are_read_with_both_sets_of_options(facts: Any) -> None:
    mounts = by_target(facts)
    assert not mounts["/"].writable
    assert mounts["/tmp"].super_options["size"] == "524288k"
    assert "noexec" in mounts["/tmp"].options
    assert mounts["/workspace"].writable
    assert mounts["/workspace"].kind == "xfs"
    assert "prjquota" in mounts["/workspace"].super_options
    assert not mounts["/proc/sys"].writable


def test_this_process_is_read() -> None:
    [process] = kernel.read_processes([os.getpid()])
    assert process.status["Pid"] == str(os.getpid())
    assert process.environment.keys() >= {"PATH"}
    assert list(kernel.read_processes([2**22 + 1])) == []


def test_the_apparmor_list_is_read(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.write_text("workspace-container (enforce)\n/usr/bin/man (complain)\n")
    assert kernel.loaded_apparmor_profiles(profiles) == {"workspace-container": "enforce", "/usr/bin/man": "complain"}
    assert kernel.loaded_apparmor_profiles(tmp_path / "missing") is None


def test_a_process_that_is_gone_is_one_clear_error() -> None:
    with pytest.raises(WorkspaceError, match="the container may have stopped meanwhile"):
        kernel.read_facts(2**22 + 1, {})


def test_the_innermost_mount_holds_a_path(facts: Any) -> None:
    mounts = facts().mounts
    assert quota.containing(Path("/opt/venv/lib"), mounts).target == "/opt/venv"
    assert quota.containing(Path("/opt"), mounts).target == "/"


def test_a_path_that_no_mount_covers_is_named_with_the_cure() -> None:
    with pytest.raises(WorkspaceError, match=r"cannot find the file system of /opt: .* not in a chroot"):
        quota.containing(Path("/opt"), [])


def test_a_directory_without_project_quota_says_why(tmp_path: Path) -> None:
    found = quota.read(tmp_path, own_mounts())
    assert found.limit is None
    assert "no project quota" in found.reason or "without project quota" in found.reason


def test_a_process_may_call_itself_anything() -> None:
    """Bytes that are no UTF-8 in the name of a process hide neither it nor the others."""
    program = "open('/proc/self/comm', 'wb').write(b'\\xff\\xfe'); print('ready', flush=True); input()"
    command = [sys.executable, "-I", "-c", program]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert b"\xff\xfe" in Path(f"/proc/{process.pid}/status").read_bytes()
        [found] = kernel.read_processes([process.pid])
        assert found.status["NoNewPrivs"] in ("0", "1")
        assert kernel.is_alive(process.pid)
        assert search.search(process.pid, [b"a secret of some length"], []).processes == 1
    finally:
        process.kill()
        process.communicate()
