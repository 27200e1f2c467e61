# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner, by tables and by properties. Applying is simulated on Docker's documents; no daemon is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import names
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.field import (
    create_payload,
    differences,
    update_payload,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.options import FIELDS
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.plan import (
    Act,
    Actual,
    Plan,
    plan_absent,
    plan_present,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.specification import Specification
from hypothesis import given
from hypothesis import strategies as st

STATUS_AFTER = {Act.START: "running", Act.UNPAUSE: "running", Act.STOP: "exited"}

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "capabilities": st.lists(st.sampled_from(["CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE"])),
        "seccomp_profile": st.sampled_from(["", "/etc/bulkhead/seccomp/workspace-seccomp.json"]),
        "apparmor_profile": st.sampled_from(["", "workspace-container"]),
        "userns_remap": st.sampled_from(["", "true"]),
        "cpu_quota": st.sampled_from(["", "100000", "200000"]),
        "memory": st.sampled_from(["", "2g", "3g"]),
        "pids_limit": st.sampled_from(["", "100", "256"]),
        "disk_limit": st.sampled_from(["", "5g"]),
        "read_only_root": st.booleans(),
        "network": st.sampled_from(["none", "bridge", "inner"]),
        "proxy": st.booleans(),
        "environment": st.dictionaries(st.sampled_from(["A", "B"]), st.text(st.characters(categories=["L"]))),
        "command": st.none() | st.just(["sleep", "1"]),
        "init": st.booleans(),
        "runtime": st.sampled_from(["runc", "runsc"]),
        "user": st.sampled_from(["1000:1000", "2000:2000"]),
        "expires_after": st.sampled_from(["", "8h", "7d"]),
        "idle_after": st.sampled_from(["", "30m"]),
    },
)
STATES = st.sampled_from(["present", "started", "stopped"])


def apply(plan: Plan, actual: Actual, specification: Specification, inspected: Any) -> Actual:
    """What the host holds after the plan, as Docker would report it."""
    for action in plan.actions:
        container = dict(actual.container) if actual.container else None
        if action.act is Act.OPEN_PROXY or action.act is Act.CLOSE_PROXY:
            actual = replace(actual, proxy_open=action.act is Act.OPEN_PROXY)
        elif action.act is Act.CREATE_VOLUME:
            volume = next(entry for entry in specification.request.volumes if entry.name == action.target)
            labels = names.labels(specification.request.conversation_id)
            made = {"Driver": "local", "Options": volume.driver_options or None, "Labels": labels}
            actual = replace(actual, volumes={**actual.volumes, action.target: made})
        elif action.act is Act.REMOVE_VOLUME:
            left = {name: volume for name, volume in actual.volumes.items() if name != action.target}
            actual = replace(actual, volumes=left)
        elif action.target.endswith(".replaced"):
            actual = replace(actual, replaced=None)
        elif action.act in (Act.SET_ASIDE, Act.REMOVE_CONTAINER):
            actual = replace(actual, container=None)
        elif action.act is Act.CREATE_CONTAINER:
            made = inspected(create_payload(FIELDS, specification), "created")
            actual = replace(actual, container=made)
        elif container and action.act is Act.UPDATE_CONTAINER:
            container["HostConfig"] = {**container["HostConfig"], **update_payload(FIELDS, specification)}
            actual = replace(actual, container=container)
        elif container:
            status = STATUS_AFTER[action.act]
            container["State"] = {**container["State"], "Status": status, "Running": status == "running"}
            actual = replace(actual, container=container)
    return actual


@given(options=OPTIONS, state=STATES)
def test_applying_a_plan_and_planning_again_gives_nothing_to_do(
    options: dict[str, Any], state: str, specify: Any, inspected: Any
) -> None:
    specification = specify(**options)
    plan = plan_present(specification, Actual(), state=state, recreate=False)
    actual = apply(plan, Actual(), specification, inspected)
    assert actual.running == (state == "started")
    assert not plan_present(specification, actual, state=state, recreate=False).changed


@given(old=OPTIONS, new=OPTIONS, before=STATES, after=STATES)
def test_every_container_can_be_brought_to_every_specification_in_one_step(
    old: dict[str, Any], new: dict[str, Any], before: str, after: str, specify: Any, inspected: Any
) -> None:
    # A volume's size is fixed for its life, so the disk limit stays as it was.
    new = {**new, "disk_limit": old.get("disk_limit", "5g")}
    first, second = specify(**old), specify(**new)
    start = apply(plan_present(first, Actual(), state=before, recreate=False), Actual(), first, inspected)
    plan = plan_present(second, start, state=after, recreate=True)
    end = apply(plan, start, second, inspected)
    again = plan_present(second, end, state=after, recreate=False)
    assert not again.changed
    assert not again.differences
    wanted_running = {"started": True, "stopped": False}.get(after)
    if wanted_running is not None:
        assert end.running == wanted_running


@given(options=OPTIONS, state=STATES)
def test_absent_leaves_nothing(options: dict[str, Any], state: str, specify: Any, inspected: Any) -> None:
    specification = specify(**options)
    actual = apply(
        plan_present(specification, Actual(), state=state, recreate=False), Actual(), specification, inspected
    )
    left = apply(plan_absent(specification.request, actual), actual, specification, inspected)
    assert left == Actual()
    assert not plan_absent(specification.request, left).changed


def running(specification: Specification, inspected: Any) -> Actual:
    """The host after a first run."""
    plan = plan_present(specification, Actual(), state="started", recreate=False)
    return apply(plan, Actual(), specification, inspected)


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("Privileged", True, "privileged"),
        ("CapAdd", ["CHOWN", "SETUID", "SETGID", "DAC_OVERRIDE", "CAP_SYS_ADMIN"], "cap_add"),
        ("CapDrop", [], "cap_drop"),
        ("PidMode", "host", "pid_mode"),
        ("IpcMode", "host", "ipc_mode"),
        ("UTSMode", "host", "uts_mode"),
        ("UsernsMode", "host", "userns_mode"),
        ("CgroupnsMode", "host", "cgroupns_mode"),
        ("ReadonlyRootfs", False, "read_only_root"),
        ("Binds", ["/:/host"], "binds"),
        ("Devices", [{"PathOnHost": "/dev/mem"}], "devices"),
        ("GroupAdd", ["docker"], "group_add"),
        ("Sysctls", {"net.ipv4.ip_forward": "1"}, "sysctls.net.ipv4.ip_forward"),
        ("MaskedPaths", [], "unmasked_paths"),
        ("ReadonlyPaths", [], "writable_proc_paths"),
        ("SecurityOpt", ["no-new-privileges:true"], "security_opt.apparmor"),
        ("SecurityOpt", ["seccomp=unconfined", "no-new-privileges:true"], "security_opt.seccomp"),
        ("Tmpfs", {"/extra": "rw"}, "tmpfs./extra"),
        ("Memory", 0, "memory"),
        ("MemorySwap", 2147483648, "memory_swap"),
        ("PidsLimit", None, "pids_limit"),
    ],
)
def test_drift_is_named_field_by_field(key: str, value: object, field: str, specify: Any, inspected: Any) -> None:
    specification = specify()
    actual = running(specification, inspected)
    assert actual.container is not None
    live = {**actual.container, "HostConfig": {**actual.container["HostConfig"], key: value}}
    assert field in [entry.name for entry in differences(FIELDS, specification, live)]


@pytest.mark.parametrize(
    ("options", "left_alone"),
    [
        ({}, True),
        ({"network": "bridge"}, False),
        # gVisor copies what Docker has set up, and would find a loopback interface that is down.
        ({"runtime": "runsc"}, False),
    ],
)
def test_docker_sets_up_no_network_where_the_runtime_makes_an_empty_one(
    options: dict[str, Any], left_alone: bool, specify: Any
) -> None:
    payload = create_payload(FIELDS, specify(**options))
    hosts = [mount for mount in payload["HostConfig"]["Mounts"] if mount["Target"] == "/etc/hosts"]
    assert payload["NetworkDisabled"] is left_alone
    assert [(mount["Source"], mount["ReadOnly"]) for mount in hosts] == [(names.HOSTS_FILE, True)] * left_alone


def test_the_task_s_variables_win_over_the_proxy_s_and_these_over_the_image_s(specify: Any) -> None:
    told = {
        "PATH": "/proxy",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9080",
        "PIP_INDEX_URL": "http://127.0.0.1:9080/pypi",
    }
    specification = replace(specify(environment={"PIP_INDEX_URL": "mine", "A": ""}), proxy_environment=told)
    assert sorted(create_payload(FIELDS, specification)["Env"]) == [
        "A=",
        "ANTHROPIC_BASE_URL=http://127.0.0.1:9080",
        "PATH=/proxy",
        "PIP_INDEX_URL=mine",
    ]


def test_routes_that_come_and_go_are_drift(specify: Any, inspected: Any) -> None:
    before = replace(specify(), proxy_environment={"PIP_INDEX_URL": "pypi", "ANTHROPIC_BASE_URL": "api"})
    after = replace(specify(), proxy_environment={"npm_config_registry": "npm", "ANTHROPIC_BASE_URL": "api"})
    actual = running(before, inspected)
    found = differences(FIELDS, after, actual.container or {})
    assert [(entry.name, entry.live, entry.wanted) for entry in found] == [
        ("environment.PIP_INDEX_URL", "pypi", None),
        ("environment.npm_config_registry", None, "npm"),
    ]
    with pytest.raises(WorkspaceError, match=r"recreate: true(.|\n)*environment.PIP_INDEX_URL"):
        plan_present(after, actual, state="started", recreate=False)


@pytest.mark.parametrize("listed", [{}, {"none": {}}])
def test_no_network_is_no_drift_in_either_spelling(listed: dict[str, Any], specify: Any, inspected: Any) -> None:
    specification = specify()
    container = {**(running(specification, inspected).container or {}), "NetworkSettings": {"Networks": listed}}
    assert differences(FIELDS, specification, container) == ()


def test_a_second_network_and_an_undeclared_volume_are_drift(specify: Any, inspected: Any) -> None:
    specification = specify()
    container = dict(running(specification, inspected).container or {})
    container["NetworkSettings"] = {"Networks": {"none": {}, "bridge": {}}}
    container["Mounts"] = [
        *container["Mounts"],
        {"Type": "volume", "Name": "f00", "Destination": "/data", "RW": True},
    ]
    assert [entry.name for entry in differences(FIELDS, specification, container)] == ["mount_points./data", "networks"]


def test_changed_limits_are_mended_in_place_without_consent(specify: Any, inspected: Any) -> None:
    specification = specify()
    actual = running(specification, inspected)
    assert actual.container is not None
    limits = {**actual.container["HostConfig"], "PidsLimit": 1000, "Memory": 1 << 30}
    drifted = replace(actual, container={**actual.container, "HostConfig": limits})
    plan = plan_present(specification, drifted, state="started", recreate=False)
    assert [str(action) for action in plan.actions] == ["update container ws-demo"]
    assert plan.before["pids_limit"] == 1000
    assert plan.after["pids_limit"] == 256


def test_other_drift_needs_consent_and_keeps_the_volumes(specify: Any, inspected: Any) -> None:
    actual = running(specify(), inspected)
    changed = specify(capabilities=[], memory="3g")
    with pytest.raises(WorkspaceError, match="recreate: true") as caught:
        plan_present(changed, actual, state="started", recreate=False)
    assert "- cap_add: is ['CHOWN', 'DAC_OVERRIDE', 'SETGID', 'SETUID'], wanted []" in str(caught.value)
    assert "- memory: is 2147483648, wanted 3221225472" in str(caught.value)
    plan = plan_present(changed, actual, state="started", recreate=True)
    acts = [action.act for action in plan.actions]
    assert acts == [Act.STOP, Act.SET_ASIDE, Act.CREATE_CONTAINER, Act.START]


def test_a_limit_cannot_be_lifted_in_place(specify: Any, inspected: Any) -> None:
    actual = running(specify(), inspected)
    with pytest.raises(WorkspaceError, match="pids_limit"):
        plan_present(specify(pids_limit=""), actual, state="started", recreate=False)


def test_what_is_not_ours_is_never_touched(specify: Any, inspected: Any) -> None:
    specification = specify()
    actual = running(specification, inspected)
    assert actual.container is not None
    config = {**actual.container["Config"], "Labels": {}}
    foreign = replace(actual, container={**actual.container, "Config": config})
    with pytest.raises(WorkspaceError, match="container ws-demo exists without the label"):
        plan_present(specification, foreign, state="started", recreate=True)
    with pytest.raises(WorkspaceError, match="container ws-demo exists without the label"):
        plan_absent(specification.request, foreign)
    other = Actual(volumes={"ws-demo-venv": {"Driver": "local", "Labels": names.labels("other")}})
    with pytest.raises(WorkspaceError, match="volume ws-demo-venv exists without the label"):
        plan_absent(specification.request, other)


@pytest.mark.parametrize("state", ["started", "absent"])
def test_what_an_interrupted_replacement_left_behind_goes(state: str, specify: Any, inspected: Any) -> None:
    specification = specify()
    actual = running(specification, inspected)
    left = replace(actual, replaced=actual.container)
    if state == "absent":
        plan = plan_absent(specification.request, left)
    else:
        plan = plan_present(specification, left, state=state, recreate=False)
    assert "remove container ws-demo.replaced" in [str(action) for action in plan.actions]
    assert apply(plan, left, specification, inspected) == (Actual() if state == "absent" else actual)


def test_a_volume_of_another_size_is_refused(specify: Any, inspected: Any) -> None:
    actual = running(specify(), inspected)
    with pytest.raises(WorkspaceError, match="Docker cannot change a volume"):
        plan_present(specify(disk_limit="6g"), actual, state="started", recreate=True)
