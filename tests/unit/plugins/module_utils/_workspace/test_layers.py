# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement of the layers: real facts are enforced, and each single deviation turns exactly its own layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._mountinfo import Mount
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.facts import Quota, SecretSearch
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.layers import evaluate, writable_by

PROXY = Mount(
    target="/run/proxy",
    root="/conversations/demo",
    kind="ext4",
    source="/dev/root",
    options=frozenset({"ro", "relatime"}),
    super_options={"rw": ""},
)


def with_proxy(facts: Any, mount: Mount = PROXY, **changes: Any) -> Any:
    """Facts of a container that has the proxy's directory."""
    return facts(mounts=(*facts().mounts, mount), **changes)


def without_ok(report: dict[str, dict[str, str]]) -> list[str]:
    """The layers that are not enforced."""
    return [layer for layer, entry in report.items() if entry["status"] != "enforced"]


def test_a_production_container_has_all_layers(expected: Any, facts: Any) -> None:
    report = evaluate(replace(expected, proxy=True), with_proxy(facts))
    assert without_ok(report) == []
    assert report["L3"]["evidence"] == (
        "cpu.max 200000 100000; memory.max 2147483648; pids.max 256; memory.swap.max 0; "
        "quota of /opt/venv 1073741824 bytes (project 3); quota of /workspace 4294967296 bytes (project 2)"
    )
    assert "uid_map 0->100000 (65536)" in report["L7"]["evidence"]


def status(facts: Any, **changes: str) -> Any:
    """Facts in which the second process has another status: one stray process is enough to fail."""
    first, second = facts().processes
    return with_proxy(facts, processes=(first, replace(second, status={**second.status, **changes})))


def mount(target: str, kind: str = "tmpfs", options: str = "rw,nosuid,noexec", size: str = "size") -> Mount:
    """One mount more."""
    return Mount(
        target=target,
        root="/",
        kind=kind,
        source=kind,
        options=frozenset(options.split(",")),
        super_options={"rw": "", size: "64k"},
    )


def deviations(facts: Any) -> list[tuple[str, Any, str]]:
    """Layer, facts, and what the evidence must say."""
    good = with_proxy(facts)
    own, host = dict(good.namespaces), good.host_namespaces
    first, second = good.processes
    root = next(entry for entry in good.mounts if entry.target == "/")
    writable_root = replace(root, options=frozenset({"rw"}))
    others = tuple(entry for entry in good.mounts if entry.target != "/")
    cgroup = dict(good.cgroup)
    return [
        ("L1", replace(good, namespaces={**own, "ipc": host["ipc"]}), "shared with the host: ['ipc']"),
        ("L1", status(facts, CapBnd="00000000000000ff"), "CapBnd 00000000000000ff"),
        ("L1", status(facts, Uid="100000\t100000\t100000\t100000"), "run as root inside: [2290]"),
        ("L2", status(facts, Seccomp="0"), "Seccomp is not 2 in process 2290: 0"),
        ("L2", status(facts, NoNewPrivs="0"), "NoNewPrivs is not 1"),
        ("L2", replace(good, processes=(first, replace(second, apparmor="unconfined"))), "2290: unconfined"),
        (
            "L2",
            replace(good, processes=(replace(first, apparmor="workspace-container (complain)"), second)),
            "2277: workspace-container (complain)",
        ),
        ("L3", replace(good, cgroup={**cgroup, "pids.max": "max"}), "pids.max is max, wanted 256"),
        ("L3", replace(good, cgroup={**cgroup, "memory.swap.max": "max"}), "memory.swap.max max"),
        ("L3", replace(good, cgroup={**cgroup, "cpu.max": "max 100000"}), "cpu.max is max 100000"),
        ("L3", replace(good, cgroup={"cpu.max": "200000 100000"}), "memory.max is missing"),
        (
            "L3",
            replace(good, quotas={**good.quotas, "/workspace": Quota(project=2, limit=None, used=0, reason="gone")}),
            "no quota on /workspace: gone",
        ),
        (
            "L3",
            replace(good, quotas={**good.quotas, "/workspace": Quota(project=2, limit=1 << 40, used=0)}),
            "wanted 4294967296",
        ),
        ("L4", replace(good, interfaces=("eth0", "lo")), "interfaces: eth0, lo"),
        ("L4", replace(good, routes=1), "1 routes"),
        ("L5", replace(good, mounts=(writable_root, *others)), "root file system writable"),
        ("L5", _with(good, mount("/data", "xfs")), "/data is writable"),
        ("L5", _with(good, mount("/tmp", options="rw,nosuid")), "/tmp allows programs to run"),
        ("L5", _with(good, mount("/tmp", options="rw,noexec")), "/tmp allows setuid programs"),
        ("L5", _with(good, mount("/tmp", size="mode")), "/tmp has no size"),
        ("L6", with_proxy(facts, replace(PROXY, options=frozenset({"rw"}))), "/run/proxy writable"),
        (
            "L6",
            replace(good, processes=(first, replace(second, environment={"AWS_SECRET_ACCESS_KEY": "x"}))),
            "environment holds AWS_SECRET_ACCESS_KEY",
        ),
        (
            "L6",
            replace(
                good,
                secrets=SecretSearch(secrets=1, processes=2, files=3, bytes_searched=9, hits=("memory of sh (7)",)),
            ),
            "1 hits (memory of sh (7))",
        ),
        ("L7", replace(good, namespaces={**own, "user": host["user"]}), "user namespace is the host's"),
    ]


def _with(good: Any, extra: Mount) -> Any:
    return replace(good, mounts=(*(entry for entry in good.mounts if entry.target != extra.target), extra))


@pytest.mark.parametrize("index", range(24))
def test_each_deviation_turns_its_own_layer(index: int, expected: Any, facts: Any) -> None:
    table = deviations(facts)
    assert len(table) == 24
    layer, changed, evidence = table[index]
    report = evaluate(replace(expected, proxy=True), changed)
    failed = without_ok(report)
    # A writable proxy directory is a writable mount as well.
    also = {"L5"} if evidence == "/run/proxy writable" else set()
    assert set(failed) == {layer, *also}
    assert evidence in report[layer]["evidence"]


def test_root_on_the_host_is_no_user_namespace(expected: Any, facts: Any) -> None:
    first, second = facts().processes
    root = {**first.status, "Uid": "0\t0\t0\t0"}
    changed = facts(uid_map=((0, 0, 4294967295),), processes=(replace(first, status=root), second))
    assert "uid_map 0->0" in evaluate(expected, changed)["L7"]["evidence"]


def test_what_was_not_asked_for_is_never_green(expected: Any, facts: Any) -> None:
    nothing = replace(expected, apparmor=None, memory=None, pids=None, cpu=None, volumes={"/workspace": None})
    report = evaluate(nothing, facts(cgroup={"memory.swap.max": "0", "memory.max": "max"}))
    assert report["L2"]["evidence"] == "no AppArmor profile was asked for"
    assert "memory.max is max: no limit was asked for" in report["L3"]["evidence"]
    assert report["L6"]["status"] == "not_enforced"


def test_a_runtime_with_its_own_kernel_says_that_profiles_do_not_apply(expected: Any, facts: Any) -> None:
    report = evaluate(replace(expected, runtime="runsc"), facts())
    assert report["L2"]["status"] == "not_enforced"
    assert report["L2"]["evidence"].startswith("not enforced by this runtime: runsc")


def test_no_process_seen_is_no_proof(expected: Any, facts: Any) -> None:
    report = evaluate(expected, facts(processes=()))
    assert {report["L2"]["status"], report["L7"]["status"]} == {"not_enforced"}


@pytest.mark.parametrize(("owner", "good"), [(101000, True), (100000, False), (1000, False), (0, False)])
def test_the_owner_of_a_volume_is_seen_through_the_map(owner: int, good: bool, facts: Any) -> None:
    assert writable_by(facts(owners={"/workspace": owner}), "/workspace", "1000:1000") is good
