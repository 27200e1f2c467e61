# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives and the container: paused while it is saved, not restored into while it runs, saved before it is removed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from native_docker import Daemon

from . import module

Make = Callable[[Daemon], tuple[str, Path]]
Run = Callable[[str], Any]
# Changes its file all the time, which a save would notice.
RESTLESS = ["sh", "-c", "while true; do date +%N >> /workspace/log; done"]


@pytest.fixture(scope="module")
def image(docker_daemon: Daemon) -> str:
    script = str(module.ROOT / "deployment" / "image" / "build.py")
    built = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=True)
    return docker_daemon.load(Path(built.stdout.strip().splitlines()[-1]))


@pytest.fixture
def start(docker_daemon: Daemon, image: str) -> Iterator[Run]:
    """Starts a restless container for a conversation."""
    with contextlib.closing(docker_daemon.client()) as docker, contextlib.ExitStack() as ends:

        def run(identifier: str) -> Any:
            container = docker.containers.run(
                image,
                name=f"ws-{identifier}",
                entrypoint=RESTLESS,
                user="0",
                network_mode="none",
                labels={
                    "io.bulkhead.workspace.managed": "true",
                    "io.bulkhead.workspace.conversation": identifier,
                },
                volumes={f"ws-{identifier}-workspace": {"bind": "/workspace"}},
                detach=True,
            )
            ends.callback(lambda: _remove(container))
            return container

        yield run


def _remove(container: Any) -> None:
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        container.remove(force=True)


def volumes(daemon: Daemon) -> list[str]:
    with contextlib.closing(daemon.client()) as docker:
        return [volume.name for volume in docker.volumes.list()]


def test_a_running_container_is_paused_meanwhile(
    docker_daemon: Daemon, conversation: Make, start: Run, access: dict[str, str], bucket: str
) -> None:
    identifier, root = conversation(docker_daemon)
    container = start(identifier)
    (root / "ballast").write_bytes(bytes(1000) * 20_000)
    options = {**access, "bucket": bucket, "docker_host": docker_daemon.url, "conversation_id": identifier}
    saved = module.run("workspace_archive", options)
    assert saved.get("changed"), saved
    container.reload()
    assert container.status == "running"

    refused = module.run("workspace_archive", {**options, "state": "restored"})
    assert "its container runs; stop it first" in refused["msg"]


def test_what_could_not_be_saved_is_not_removed(
    docker_daemon: Daemon, conversation: Make, start: Run, access: dict[str, str], bucket: str
) -> None:
    identifier, root = conversation(docker_daemon)
    start(identifier)
    (root / "precious").write_text("not saved yet")
    options = {
        "conversation_id": identifier,
        "docker_host": docker_daemon.url,
        "state": "absent",
        "proxy": False,
        "stop_timeout": 1,
    }
    for wrong in ({"bucket": "no-such-bucket"}, {"endpoint_url": "http://127.0.0.1:1"}, {"size_limit": "1"}):
        refused = module.run("workspace_container", {**options, "archive": {**access, "bucket": bucket, **wrong}})
        assert refused["failed"], wrong
        assert (root / "precious").read_text() == "not saved yet"
        assert f"ws-{identifier}-workspace" in volumes(docker_daemon)

    removed = module.run("workspace_container", {**options, "archive": {**access, "bucket": bucket}})
    assert removed.get("changed"), removed
    assert f"ws-{identifier}-workspace" not in volumes(docker_daemon)
    assert removed["archive"]["address"].startswith(f"s3://{bucket}/workspaces/{identifier}/")

    new, new_root = conversation(docker_daemon)
    restoring = {"conversation_id": new, "from_conversation": identifier, "state": "restored"}
    restored = module.run(
        "workspace_archive", {**access, "bucket": bucket, "docker_host": docker_daemon.url, **restoring}
    )
    assert restored["restored"], restored
    assert (new_root / "precious").read_text() == "not saved yet"
