# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker daemon of this machine for the tests of the container's two doors, and options that this machine can have.

What only a workspace host has (AppArmor, project quotas, user namespaces, the proxy) is proved in the VMs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from native_docker import Daemon, daemon

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "deployment" / "seccomp" / "workspace-seccomp.json"


def pytest_configure(config: pytest.Config) -> None:
    # The Docker client drops connections unclosed.
    config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")


@pytest.fixture(scope="session")
def archive() -> Path:
    """The workspace image, as a file to load."""
    built = subprocess.run(
        [sys.executable, str(ROOT / "deployment/image/build.py")], stdout=subprocess.PIPE, text=True, check=True
    )
    return Path(built.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def running(archive: Path) -> Iterator[Daemon]:
    """The daemon, with the workspace image."""
    with daemon() as started:
        started.load(archive)
        yield started


@pytest.fixture(scope="session")
def client(running: Daemon) -> Iterator[docker.DockerClient]:
    """A client beside the code under test."""
    made = running.client()
    yield made
    made.close()


@pytest.fixture(scope="session")
def options(running: Daemon) -> dict[str, Any]:
    """Options of the Python door for this machine."""
    return {
        "docker_host": running.url,
        "seccomp_profile": str(PROFILE),
        "apparmor_profile": "",
        "userns_remap": "",
        "disk_limit": "",
        "proxy": False,
        "required_layers": ["L4"],
        "stop_timeout": 1,
    }


@pytest.fixture
def inventory(client: docker.DockerClient) -> Callable[[], set[str]]:
    """Everything that the daemon holds: containers and volumes by name."""

    def look() -> set[str]:
        containers = {entry["Names"][0] for entry in client.api.containers(all=True)}
        return containers | {entry["Name"] for entry in client.api.volumes()["Volumes"] or []}

    return look


@pytest.fixture
def clean(client: docker.DockerClient) -> Iterator[None]:
    """Removes what a test made, whatever became of the test."""
    yield
    for entry in client.api.containers(all=True):
        client.api.remove_container(entry["Id"], force=True)
    for volume in client.api.volumes()["Volumes"] or []:
        client.api.remove_volume(volume["Name"], force=True)
