# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and wrong values against a real daemon: each is refused with its own message, and nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import kernel
from native_docker import Daemon, daemon

pytestmark = pytest.mark.usefixtures("clean")
IMAGE = "bulkhead/workspace:demo"
ROOT = Path(__file__).resolve().parents[2]

BAD: list[tuple[dict[str, Any], str]] = [
    ({"conversation_id": "../../etc"}, "'../../etc' is no conversation identifier"),
    ({"conversation_id": "a\nb"}, "is no conversation identifier"),
    ({"conversation_id": "a" * 300}, "is no conversation identifier"),
    ({"conversation_id": "会話"}, "is no conversation identifier"),
    ({"conversation_id": "--privileged"}, "is no conversation identifier"),
    ({"memory": "-2g"}, "'-2g' is no size"),
    ({"memory": "2 gb"}, "'2 gb' is no size"),
    ({"pids_limit": -1}, "'-1' is no positive whole number"),
    ({"cpu_quota": "0"}, "'0' is no positive whole number"),
    ({"disk_limit": "5g"}, "without project quota, so a size would not hold"),
    ({"capabilities": ["SYS_ADMIN"]}, "SYS_ADMIN may not be kept"),
    ({"seccomp_profile": "/no/such/profile.json"}, "cannot read /no/such/profile.json: No such file or directory"),
    ({"seccomp_profile": "/etc/hostname"}, "/etc/hostname is not JSON"),
    ({"user": "nobody-such"}, "'nobody-such' is no numeric UID:GID"),
    ({"user": "0:0"}, "is root; a workspace never runs as root"),
    ({"image": "no/such:image"}, "has no image no/such:image, and it is not pulled unless asked"),
    ({"runtime": "no-such-runtime"}, "knows no runtime no-such-runtime; choose from"),
    ({"network": "host"}, "'host' would share a network namespace"),
    ({"network": "no-such-network", "required_layers": []}, "network no-such-network not found"),
    ({"proxy": True, "proxy_control_socket": "/run/no-such.sock"}, "at the credential proxy (/run/no-such.sock)"),
    ({"environment": {"AWS_SECRET_ACCESS_KEY": "x"}}, "AWS_SECRET_ACCESS_KEY looks like a credential"),
    ({"tmpfs": [{"path": "/etc", "size": "1m"}]}, "would hide a part of the system"),
    ({"command": ["/no/such/program"]}, "cannot start container ws-refused"),
    ({"privileged": True}, "'privileged' is no option"),
    ({"required_layers": ["L2"]}, "apparmor_profile: switches off layer L2"),
    ({"userns_remap": "true"}, "runs without user namespaces; apply the role docker_userns"),
]


@pytest.mark.parametrize(("given", "message"), BAD, ids=[f"{index:02}" for index in range(len(BAD))])
def test_bad_input_is_refused_by_name_and_leaves_nothing(
    given: dict[str, Any], message: str, options: dict[str, Any], inventory: Any
) -> None:
    before = inventory()
    with pytest.raises(workspaces.WorkspaceError) as caught:
        workspaces.create(**{"conversation_id": "refused", "image": IMAGE, **options, **given})
    assert message in str(caught.value)
    assert str(caught.value).startswith("cannot ")
    assert inventory() == before


def test_an_apparmor_profile_that_is_not_loaded_is_refused(options: dict[str, Any], inventory: Any) -> None:
    before = inventory()
    lacking = "has no AppArmor" if kernel.loaded_apparmor_profiles() is None else "is not loaded"
    with pytest.raises(workspaces.WorkspaceError, match=lacking):
        workspaces.create("refused", IMAGE, **options | {"apparmor_profile": "no-such-profile"})
    assert inventory() == before


def test_a_daemon_that_is_down_is_told(options: dict[str, Any]) -> None:
    with pytest.raises(workspaces.WorkspaceError, match=r"unix:///run/no-such.sock does not answer \(No such"):
        workspaces.create("refused", IMAGE, **options | {"docker_host": "unix:///run/no-such.sock"})


def test_a_socket_that_may_not_be_used_is_told(options: dict[str, Any], running: Daemon, inventory: Any) -> None:
    program = (
        "import json, os, sys\n"
        "from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    workspaces.create('refused', 'any', **json.loads(sys.argv[1]))\n"
        "except workspaces.WorkspaceError as error:\n"
        "    print(error)\n"
    )
    before = inventory()
    said = subprocess.run(
        [sys.executable, "-c", program, json.dumps(options)],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".ansible/collections")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"Docker at {running.url} does not answer (Permission denied)" in said
    assert "run the task as root" in said
    assert inventory() == before


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Daemon, Path]]:
    """A daemon whose disk is a memory file system of 48 MiB, with an image of a few bytes."""
    disk = Path(tempfile.mkdtemp(prefix="small-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "small", str(disk)], check=True)
    disk.chmod(0o711)
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with daemon() as started:
            monkeypatch.setattr(tempfile, "tempdir", None)
            client = started.client()
            client.api.import_image_from_data(b"\0" * 10240, repository="test/empty", tag="1")
            client.close()
            yield started, disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()


def test_a_full_disk_is_told_and_nothing_is_left(small: tuple[Daemon, Path], options: dict[str, Any]) -> None:
    started, disk = small
    full = options | {"docker_host": started.url, "command": ["/none"], "state": "present"}
    with (disk / "fill").open("wb") as stream, pytest.raises(OSError, match="No space left"):
        while True:
            stream.write(b"\0" * 65536)
            stream.flush()
    with pytest.raises(workspaces.WorkspaceError, match="no space left on device") as caught:
        workspaces.create("refused", "test/empty:1", **full)
    assert str(caught.value).startswith("cannot create ")
    (disk / "fill").unlink()
    client = started.client()
    assert client.api.containers(all=True) == []
    assert not client.api.volumes()["Volumes"]
    assert workspaces.create("refused", "test/empty:1", **full)["changed"]
    client.close()
