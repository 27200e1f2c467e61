# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python door with `runtime: runsc`: a container in a kernel of its own, and what is said of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from native_docker import daemon
from workloads import gvisor

IMAGE = "bulkhead/workspace:demo"


@pytest.fixture(scope="module")
def sandboxed(archive: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Options for a daemon of its own that knows gVisor."""
    with daemon(gvisor.settings()) as started:
        started.load(archive)
        yield options | {"docker_host": started.url, "runtime": "runsc"}


def test_a_container_with_a_kernel_of_its_own(sandboxed: dict[str, Any]) -> None:
    made = workspaces.create("own", IMAGE, **sandboxed)
    layers = made["layers"]
    assert layers["L4"]["status"] == "enforced"
    # Never a silent green: what cannot be seen, or does not apply, is not in force.
    assert "not enforced by this runtime: runsc" in layers["L2"]["evidence"]
    assert {layers[name]["status"] for name in ("L2", "L5", "L6")} == {"not_enforced"}
    assert not workspaces.create("own", IMAGE, **sandboxed)["changed"]
    driver = Driver(sandboxed["docker_host"])
    program = ["sh", "-c", "cat /proc/version; getent hosts localhost; echo > /no"]
    _status, said = driver.execute("ws-own", program, user="0:0")
    # The version that gVisor shows, whatever the host's is; its loopback interface; the read-only root.
    assert "Linux version 4.4.0" in said
    assert "localhost" in said
    assert "Read-only file system" in said
    [seen] = workspaces.info("own", docker_host=sandboxed["docker_host"])
    assert seen["usage"]["memory"]["limit"] == 2 << 30
