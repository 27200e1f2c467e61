# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused with all its problems at once, and good input has one exact meaning."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.request import LAYERS, build_request

GIB = 1 << 30


def test_the_defaults_are_the_production_values(params: Any) -> None:
    request = build_request(params(), LAYERS)
    assert (request.cpu_quota, request.cpu_period) == (200000, 100000)
    assert (request.memory, request.pids_limit, request.disk_limit) == (2 * GIB, 256, 5 * GIB)
    assert {volume.target: volume.size for volume in request.volumes} == {"/workspace": 4 * GIB, "/opt/venv": GIB}
    sizes = {entry.path: entry.size >> 20 for entry in request.all_tmpfs}
    assert sizes == {
        "/tmp": 512,
        "/var/tmp": 256,
        "/run": 64,
        "/home/appuser": 128,
        "/home/appuser/.cache": 512,
    }
    assert request.user == "1000:1000"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("conversation_id", "", "no conversation identifier"),
        ("conversation_id", "../etc", "no conversation identifier"),
        ("conversation_id", "a\nb", "no conversation identifier"),
        ("conversation_id", "a\n", "no conversation identifier"),
        ("conversation_id", "-rm", "no conversation identifier"),
        ("conversation_id", "a" * 300, "no conversation identifier"),
        ("conversation_id", "a" * 49, "no conversation identifier"),
        ("conversation_id", "会話", "no conversation identifier"),
        ("conversation_id", "a.replaced", "no conversation identifier"),
        ("image", "", "no image reference"),
        ("image", "--privileged", "no image reference"),
        ("image", "a b", "no image reference"),
        ("runtime", "../runc", "is no name"),
        ("user", "appuser", "no numeric UID:GID"),
        ("user", "0:0", "is root"),
        ("user", "1000:0", "is root"),
        ("capabilities", ["SYS_ADMIN", "CHOWN"], "SYS_ADMIN may not be kept"),
        ("capabilities", ["ALL"], "ALL may not be kept"),
        ("seccomp_profile", "unconfined", "no absolute path"),
        ("seccomp_profile", "/etc/../shadow", "no absolute path"),
        ("apparmor_profile", "a b", "is no name"),
        ("apparmor_profile", "unconfined", "would take even Docker's own profile away"),
        ("userns_remap", "perhaps", "neither true nor false"),
        ("cpu_quota", "-1", "no positive whole number"),
        ("cpu_quota", "0", "no positive whole number"),
        ("cpu_quota", "two", "no positive whole number"),
        ("cpu_period", 1, "outside the kernel's bounds"),
        ("memory", "2 gb", "is no size"),
        ("memory", "-2g", "is no size"),
        ("memory", "0", "is no size"),
        ("pids_limit", "-1", "no positive whole number"),
        ("disk_limit", "5e9", "is no size"),
        ("venv_size", "", "may not be empty"),
        ("venv_size", "5g", "leave nothing of disk_limit"),
        ("tmpfs", [{"path": "/usr", "size": "1m"}], "hide a part of the system"),
        ("tmpfs", [{"path": "/workspace", "size": "1m"}], "belongs to the workspace"),
        ("tmpfs", [{"path": "/a", "size": "1m"}, {"path": "/a", "size": "1m"}], "listed twice"),
        ("tmpfs", [{"path": "/a", "size": ""}], "may not be empty"),
        ("tmpfs", [{"path": "/a", "size": "1m", "mode": "4755"}], "has setuid bits"),
        ("tmpfs", [{"path": "/a", "size": "1m", "mode": "0755,exec"}], "is no mode"),
        ("shm_size", "x", "is no size"),
        ("network", "host", "share a network namespace"),
        ("network", "container:other", "share a network namespace"),
        ("proxy_control_socket", "run/x", "no absolute path"),
        ("environment", {"A B": "c"}, "no name of an environment variable"),
        ("environment", {"A": "b\0c"}, "NUL"),
        ("environment", {"ANTHROPIC_API_KEY": "x"}, "looks like a credential"),
        ("environment", {"AWS_SECRET_ACCESS_KEY": "x"}, "looks like a credential"),
        ("stop_timeout", -1, "no sensible time"),
        ("expires_after", "8 hours", "no span of time"),
        ("expires_after", "0h", "no span of time"),
        ("idle_after", "-1m", "no span of time"),
        ("image", None, "is missing"),
        ("conversation_id", None, "is missing"),
    ],
)
def test_bad_input_is_refused_by_name(params: Any, option: str, value: object, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build_request(params(**{option: value}))
    [problem] = caught.value.problems
    assert problem.startswith(option)
    assert message in problem
    assert "\n" not in str(caught.value)


def test_all_problems_come_in_one_message(params: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build_request(params(memory="2 gb", cpu_quota="-1", user="root"))
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "user",
        "cpu_quota (or environment variable CONTAINER_CPU_QUOTA)",
        "memory (or environment variable CONTAINER_MEMORY_LIMIT)",
    ]


def test_memory_file_systems_must_leave_something_of_the_memory(params: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"/workspace 1024M, /dev/shm 64M: together 2560M") as caught:
        build_request(params(workspace_storage="tmpfs"))
    assert "2048M" in str(caught.value)
    request = build_request(params(workspace_storage="tmpfs", memory="4g"))
    assert [volume.target for volume in request.volumes] == ["/opt/venv"]


def test_a_memory_limit_below_docker_s_own_minimum_is_refused(params: Any) -> None:
    with pytest.raises(InvalidRequestError, match="less than the 6M"):
        build_request(params(memory="5m", tmpfs=[], shm_size="1m"))


@pytest.mark.parametrize(
    ("option", "value", "layer"),
    [
        ("seccomp_profile", "", "L2"),
        ("apparmor_profile", "", "L2"),
        ("cpu_quota", "", "L3"),
        ("memory", "", "L3"),
        ("pids_limit", "", "L3"),
        ("disk_limit", "", "L3"),
        ("network", "bridge", "L4"),
        ("read_only_root", False, "L5"),
        ("proxy", False, "L6"),
        ("userns_remap", "", "L7"),
    ],
)
def test_an_option_that_switches_off_a_required_layer_is_refused(
    params: Any, option: str, value: object, layer: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"{option}: switches off layer {layer}"):
        build_request(params(**{option: value}), LAYERS)
    others = tuple(name for name in LAYERS if name != layer)
    assert build_request(params(**{option: value}), others)


def test_a_runtime_with_its_own_kernel_cannot_vouch_for_what_it_hides(params: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build_request(params(runtime="runsc"), LAYERS)
    hidden = [problem.split("layer ")[1][:2] for problem in caught.value.problems]
    assert hidden == ["L2", "L5", "L6"]
    assert build_request(params(runtime="runsc"), ("L1", "L3", "L4", "L7")).runtime == "runsc"
