# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes hold, data is all there, and Docker never runs beside it: asked of the kernel, and tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

IMAGE = "bulkhead-test/tiny:1"
RUN = "docker run --rm --network none"
FILL = "/bin/dd if=/dev/zero bs=1M count=40 conv=fsync"
MIB = 2**20


@pytest.fixture
def volumes(host: Host) -> Iterator[tuple[str, str]]:
    """A volume of 20 MB and one without a size."""
    host.check_output("docker volume create --opt size=20M small && docker volume create wide")
    yield "small", "wide"
    host.check_output("docker volume rm small wide")


def size_in(host: Host, volume: str) -> int:
    mountpoint = host.check_output("docker volume inspect --format '{{.Mountpoint}}' %s", volume)
    return int(host.check_output("stat --format=%%s %s/fill", mountpoint))


def test_a_volume_of_20_mb_stops_there_and_another_does_not(host: Host, volumes: tuple[str, str]) -> None:
    small, wide = volumes
    stopped = host.run(f"{RUN} --volume {small}:/data {IMAGE} {FILL} of=/data/fill")
    assert "No space left on device" in stopped.stderr
    assert size_in(host, small) <= 20 * MIB
    assert host.run(f"{RUN} --volume {wide}:/data {IMAGE} {FILL} of=/data/fill").rc == 0
    assert size_in(host, wide) == 40 * MIB


def test_a_container_of_20_mb_stops_there_and_another_does_not(host: Host) -> None:
    stopped = host.run(f"{RUN} --storage-opt size=20M {IMAGE} {FILL} of=/fill")
    assert "No space left on device" in stopped.stderr
    assert host.run(f"{RUN} {IMAGE} {FILL} of=/fill").rc == 0


def test_the_kernel_enforces_project_quotas(host: Host) -> None:
    state = host.check_output("xfs_quota -x -c 'state -p' /var/lib/docker")
    assert "Accounting: ON" in state
    assert "Enforcement: ON" in state


def test_images_containers_and_volumes_came_along(host: Host) -> None:
    assert (
        host.check_output("docker images --no-trunc --quiet") == host.file("/root/images.before").content_string.strip()
    )
    assert host.check_output(f"{RUN} --volume keepsake:/k {IMAGE} /bin/cat /k/gold") == "treasure"
    assert host.check_output("docker cp keeper:/in-the-layer - | tar -xO") == "layer"


def test_links_attributes_capabilities_and_devices_came_along(host: Host) -> None:
    volume = host.check_output("docker volume inspect --format '{{.Mountpoint}}' keepsake")
    assert host.check_output("stat --format=%%h %s/gold", volume) == "2"
    assert host.check_output("getcap %s/cat", volume).endswith("cap_net_raw=ep")
    assert host.check_output("stat --format='%%F %%t:%%T' %s/null", volume) == "character special file 1:3"
    read = "import os, sys; print(os.getxattr(sys.argv[1], 'user.origin').decode())"
    assert host.check_output(f'python3 -c "{read}" %s/gold', volume) == "east"


def test_the_old_tree_is_kept_and_the_unfinished_copy_is_not(host: Host) -> None:
    assert host.file("/var/lib/docker.before-xfs/100000.100000/volumes/keepsake/_data/gold").exists
    assert not host.file("/var/lib/docker.staging").exists
    assert not host.file("/var/lib/docker.converting").exists


def test_the_file_grew_and_the_file_system_in_it(host: Host) -> None:
    assert host.file("/var/lib/docker.xfs").size == 3 * 2**30
    assert int(host.check_output("df --block-size=1 --output=size /var/lib/docker | tail -n 1")) > 2.5 * 2**30


def test_docker_needs_the_mount(host: Host) -> None:
    requires = host.check_output("systemctl show docker.service --property=Requires --property=After")
    assert requires.count("var-lib-docker.mount") == 2
