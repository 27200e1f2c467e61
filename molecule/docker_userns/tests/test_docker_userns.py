# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root in a container is nobody on the host: asked of the kernel, and tried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from testinfra.host import Host

IMAGE = "bulkhead-test/tiny:1"
RUN = "docker run --rm --network none"


@pytest.fixture
def sleeper(host: Host) -> Iterator[str]:
    """A container that runs while the test does."""
    host.check_output(f"docker run --detach --network none --name sleeper --user 1000 {IMAGE} /bin/sleep 600")
    yield "sleeper"
    host.run("docker rm --force sleeper")


def info(host: Host) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(host.check_output("docker info --format '{{json .}}'"))
    return answer


def pid_of(host: Host, container: str) -> str:
    return str(host.check_output("docker inspect --format '{{.State.Pid}}' %s", container))


def test_the_kernel_maps_root_to_the_first_subordinate_id(host: Host) -> None:
    mapping = host.check_output(f"{RUN} {IMAGE} /bin/cat /proc/self/uid_map /proc/self/gid_map").split()
    assert mapping == ["0", "100000", "65536"] * 2


def test_a_process_of_user_1000_belongs_to_101000_on_the_host(host: Host, sleeper: str) -> None:
    status = host.file(f"/proc/{pid_of(host, sleeper)}/status").content_string
    assert "Uid:\t101000\t101000\t101000\t101000" in status


def test_root_in_a_container_cannot_read_what_root_owns(host: Host) -> None:
    host.check_output("install -m 600 /dev/stdin /root/only-root <<< secret")
    command = f"--volume /root/only-root:/only-root:ro {IMAGE} /bin/cat /only-root"
    refused = host.run(f"{RUN} {command}")
    assert refused.rc != 0
    assert "Permission denied" in refused.stderr
    # The same read without the mapping succeeds, so it is the mapping that refused.
    assert host.check_output(f"{RUN} --userns=host {command}") == "secret"


def test_a_running_container_survives_a_restart_of_the_daemon(host: Host, sleeper: str) -> None:
    before = pid_of(host, sleeper)
    host.check_output("systemctl reset-failed docker; systemctl restart docker")
    assert pid_of(host, sleeper) == before
    assert host.file(f"/proc/{before}").exists


def test_the_daemon_runs_with_our_settings_and_with_foreign_ones(host: Host) -> None:
    answer = info(host)
    assert answer["LiveRestoreEnabled"] is True
    assert answer["LoggingDriver"] == "json-file"
    assert answer["Driver"] == "overlay2"
    assert "team=foreign" in answer["Labels"]


def test_containers_get_the_rotation_and_the_limits(host: Host, sleeper: str) -> None:
    log = json.loads(host.check_output("docker inspect --format '{{json .HostConfig.LogConfig}}' %s", sleeper))
    assert log == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    limits = host.file(f"/proc/{pid_of(host, sleeper)}/limits").content_string
    lines = [line.split() for line in limits.splitlines()]
    assert ["Max", "core", "file", "size", "0", "0", "bytes"] in lines
    assert ["Max", "open", "files", "65536", "65536", "files"] in lines


def test_nobody_may_gain_privileges(host: Host, sleeper: str) -> None:
    assert "NoNewPrivs:\t1" in host.file(f"/proc/{pid_of(host, sleeper)}/status").content_string


def test_a_dedicated_host_has_no_bridge(host: Host) -> None:
    assert not host.file("/sys/class/net/docker0").exists
    assert host.file("/sys/class/net/lo").exists


def test_the_option_that_stops_new_daemons_is_gone(host: Host) -> None:
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert "storage-opts" not in settings
    assert settings["max-concurrent-downloads"] == 2


@pytest.mark.parametrize("path", ["/etc/subuid", "/etc/subgid"])
def test_other_users_keep_their_ids(host: Host, path: str) -> None:
    lines = host.file(path).content_string.splitlines()
    assert "alice:300000:65536" in lines
    assert lines.count("dockremap:100000:65536") == 1


def test_no_trace_of_the_refused_configuration_is_left(host: Host) -> None:
    assert not host.file("/etc/docker/daemon.json.pending").exists
    assert "bob" not in host.file("/etc/passwd").content_string
    assert host.service("docker").is_enabled
