# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that these tests share: Ceph's gateway and a Docker daemon, each started once and ended at the end."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from native_docker import Daemon, daemon
from rgw import client, cluster

from .double import Double, running
from .server import gateway


def pytest_configure(config: pytest.Config) -> None:
    # The Docker client drops connections unclosed, and the S3 server's processes outlive what started them.
    config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")


@pytest.fixture(scope="session")
def rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """An S3 server of its own, not the one that a scenario or the demo may have."""
    with gateway(tmp_path_factory.mktemp("rgw") / "state") as started:
        yield started


@pytest.fixture(scope="session")
def s3(rgw: cluster.Cluster) -> Any:
    return client.connect(rgw)


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new bucket."""
    name = f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def access(rgw: cluster.Cluster) -> dict[str, str]:
    """How a module reaches the server."""
    return {**rgw.shown(), "region": client.REGION}


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running(tmp_path_factory.mktemp("double") / "log") as server:
        yield server


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[Daemon]:
    with daemon() as running:
        yield running


@pytest.fixture(scope="session")
def remapping_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that maps the users of containers, with /etc/subuid as it needs it in a mount namespace of its own."""
    home = tmp_path_factory.mktemp("remapping")
    ranges = home / "ranges"
    ranges.write_text("nobody:100000:65536\nnogroup:100000:65536\n")
    wrapper = home / "dockerd"
    real = next(path for path in ("/usr/sbin/dockerd", "/usr/bin/dockerd") if os.access(path, os.X_OK))
    wrapper.write_text(
        "#!/bin/sh\n"
        f'exec unshare --mount sh -c \'for file in /etc/subuid /etc/subgid; do mount --bind {ranges} "$file"; done; '
        f'exec {real} "$@"\' dockerd "$@"\n'
    )
    wrapper.chmod(0o755)
    with daemon({"userns-remap": "nobody:nogroup"}, program=str(wrapper)) as running:
        yield running


@pytest.fixture(scope="session")
def conversation() -> Callable[[Daemon], tuple[str, Path]]:
    """Makes the volume of a new conversation, as workspace_container does; its identifier and where the files are."""

    def make(where: Daemon) -> tuple[str, Path]:
        identifier = f"talk-{next(_numbers)}"
        labels = {"io.bulkhead.workspace.managed": "true", "io.bulkhead.workspace.conversation": identifier}
        with contextlib.closing(where.client()) as docker:
            volume = docker.volumes.create(f"ws-{identifier}-workspace", labels=labels)
        return identifier, Path(volume.attrs["Mountpoint"])

    return make


_numbers = itertools.count(1)
