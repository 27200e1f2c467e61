# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host lacks is listed at once, each with its cure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import Mount
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.host import (
    HostState,
    build_specification,
    read_host,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.request import build_request
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.specification import Image

XFS = Mount(
    target="/var/lib/docker",
    root="/",
    kind="xfs",
    source="/dev/loop0",
    options=frozenset({"rw"}),
    super_options={"rw": "", "prjquota": ""},
)
GOOD = HostState(
    name="host1",
    image=Image(id="sha256:1", command=("sleep",)),
    seccomp='{"defaultAction":"SCMP_ACT_ERRNO"}',
    apparmor={"workspace-container": "enforce"},
    userns_remap=True,
    runtimes={"runc": ()},
    data_root=XFS,
)


def test_a_prepared_host_gives_a_specification(params: Any) -> None:
    specification = build_specification(build_request(params()), GOOD)
    assert specification.image.id == "sha256:1"
    assert specification.seccomp == GOOD.seccomp


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"image": None},
            "image: Docker on host1 has no image bulkhead/workspace:demo, and it is not pulled unless",
        ),
        ({"image": Image(id="x")}, "names no program to run"),
        (
            {"image": Image(id="x", command=("a",), volumes=("/data", "/workspace"))},
            "declares the volume /data, which would have no size limit",
        ),
        ({"apparmor": None}, "the kernel of host1 has no AppArmor"),
        ({"apparmor": {}}, "profile workspace-container is not loaded on host1; apply the role apparmor"),
        ({"userns_remap": False}, "runs without user namespaces; apply the role docker_userns"),
        ({"runtimes": {"runsc": ()}}, "knows no runtime runc; choose from runsc"),
        ({"data_root": replace(XFS, kind="ext4")}, "is on ext4"),
        ({"data_root": replace(XFS, super_options={"pqnoenforce": ""})}, "apply the role xfs_quota"),
    ],
)
def test_each_gap_is_named_with_its_cure(changes: dict[str, Any], message: str, params: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build_specification(build_request(params()), replace(GOOD, **changes))
    [problem] = caught.value.problems
    assert message in problem


@pytest.mark.parametrize(("arguments", "works"), [((), False), (("--host-uds=open",), True), (("--debug",), False)])
def test_a_runtime_that_keeps_the_proxy_s_socket_out_is_refused(
    arguments: tuple[str, ...], works: bool, params: Any
) -> None:
    request = build_request(params(runtime="runsc"))
    host = replace(GOOD, runtimes={"runc": (), "runsc": arguments})
    if works:
        assert build_specification(request, host)
    else:
        with pytest.raises(InvalidRequestError, match="could not be reached; add"):
            build_specification(request, host)


def test_all_gaps_come_at_once(params: Any) -> None:
    bare = replace(GOOD, image=None, apparmor={}, userns_remap=False, data_root=replace(XFS, kind="ext4"))
    with pytest.raises(InvalidRequestError) as caught:
        build_specification(build_request(params()), bare)
    starts = [problem.split(":")[0] for problem in caught.value.problems]
    assert starts == ["image", "apparmor_profile", "userns_remap", "disk_limit"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("{", "is not JSON"),
        ("[]", "no defaultAction"),
        ('{"defaultAction": "SCMP_ACT_ALLOW"}', "allows every call that it does not name"),
    ],
)
def test_a_seccomp_file_that_is_none_is_refused(text: str | None, message: str, params: Any, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    if text is not None:
        path.write_text(text)
    request = build_request(params(seccomp_profile=str(path)))
    found = read_host(request, {"DockerRootDir": str(tmp_path)}, None)
    assert found.seccomp is None
    assert message in found.seccomp_problem


def test_a_seccomp_file_is_passed_on_compact(params: Any, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text('{\n  "defaultAction": "SCMP_ACT_ERRNO"\n}\n')
    info = {"DockerRootDir": str(tmp_path), "SecurityOptions": ["name=seccomp,profile=builtin", "name=userns"]}
    found = read_host(build_request(params(seccomp_profile=str(path))), info, Image(id="sha256:2"))
    assert found.seccomp == '{"defaultAction":"SCMP_ACT_ERRNO"}'
    assert found.userns_remap
