# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the options: no host namespace, no unlisted capability, no writable path without a limit."""

from __future__ import annotations

from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import InvalidRequestError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.field import create_payload
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.options import FIELDS, OPTIONS
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.parse import CAPABILITIES
from hypothesis import assume, given
from hypothesis import strategies as st

HOSTILE = st.sampled_from(
    [
        "",
        "host",
        "container:x",
        "private",
        "unconfined",
        "/",
        "0",
        "0:0",
        "-1",
        "ALL",
        "SYS_ADMIN",
        "2g",
        "../x",
        "true",
    ]
)
WORDS = HOSTILE | st.text(max_size=12)
BY_TYPE = {
    "str": WORDS,
    "path": WORDS,
    "bool": st.booleans(),
    "int": st.integers(-5, 2_000_000),
    "dict": st.dictionaries(WORDS, WORDS, max_size=2),
    "list": st.lists(WORDS, max_size=3),
}
TMPFS = st.lists(
    st.fixed_dictionaries(
        {"path": WORDS | st.sampled_from(["/tmp", "/data"]), "size": WORDS},
        optional={"mode": WORDS, "owned": st.booleans()},
    ),
    max_size=2,
)
STRATEGIES = {
    option.name: TMPFS
    if option.name == "tmpfs"
    else st.sampled_from(option.argument["choices"])
    if "choices" in option.argument
    else BY_TYPE[option.argument["type"]]
    for option in OPTIONS
    if option.argument is not None and option.name not in ("conversation_id", "image")
}


@st.composite
def few_options(draw: st.DrawFn) -> dict[str, Any]:
    """Some options with any value: mostly one or two, so that many combinations pass the checks."""
    chosen = draw(st.lists(st.sampled_from(sorted(STRATEGIES)), min_size=1, max_size=3, unique=True))
    return {name: draw(STRATEGIES[name]) for name in chosen}


@given(options=few_options())
def test_no_option_opens_the_container(options: dict[str, Any], specify: Any) -> None:
    try:
        specification = specify(**options)
    except InvalidRequestError:
        assume(False)
    payload = create_payload(FIELDS, specification)
    host = payload["HostConfig"]
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert set(host["CapAdd"]) <= set(CAPABILITIES)
    assert host["IpcMode"] == host["CgroupnsMode"] == "private"
    assert host["PidMode"] == host["UTSMode"] == host["UsernsMode"] == ""
    assert host["NetworkMode"] != "host"
    assert ":" not in host["NetworkMode"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert not {"seccomp=unconfined", "apparmor=unconfined"} & set(host["SecurityOpt"])
    assert not any(host[key] for key in ("Binds", "VolumesFrom", "Devices", "DeviceRequests", "GroupAdd", "Sysctls"))
    assert 0 not in [int(part) for part in payload["User"].split(":")]


@given(options=few_options())
def test_every_writable_path_has_a_size_unless_its_option_is_empty(options: dict[str, Any], specify: Any) -> None:
    try:
        specification = specify(**options)
    except InvalidRequestError:
        assume(False)
    host = create_payload(FIELDS, specification)["HostConfig"]
    assert host["ReadonlyRootfs"] is options.get("read_only_root", True)
    for path, flags in host["Tmpfs"].items():
        assert "nosuid" in flags.split(",")
        assert "noexec" in flags.split(",") or path == "/workspace"
        assert any(flag.startswith("size=") and flag != "size=0" for flag in flags.split(","))
    assert all(mount.get("ReadOnly") for mount in host["Mounts"] if mount["Type"] == "bind")
    if specification.request.disk_limit is not None:
        assert all(volume.driver_options.get("size") for volume in specification.request.volumes)
    else:
        assert options["disk_limit"] == ""
    assert host["LogConfig"]["Config"]["max-size"]
    assert host["ShmSize"] > 0
