# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts: nothing is green by accident."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes import bench, drafts, verdict
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.defences import DEFENCES, Draft, switch_off
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.verdict import Trial
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.options import FIELDS

PROBE = PROBES["mount"]


@pytest.mark.parametrize(
    ("inside", "control", "status"),
    [
        ("refused", "succeeded", "proven"),
        ("unsupported", "succeeded", "proven"),
        ("refused", "refused", "unproven"),
        ("refused", "not run", "unproven"),
        ("refused", "failed", "unproven"),
        ("refused", "unsupported", "not_applicable"),
        ("succeeded", "succeeded", "open"),
        ("succeeded", "unsupported", "open"),
        ("failed", "succeeded", "error"),
        (verdict.OWN_KERNEL, "succeeded", "not_applicable"),
    ],
)
def test_both_sides_make_the_verdict(inside: str, control: str, status: str) -> None:
    found = verdict.verdict(PROBE, Trial(outcome=inside, evidence="a"), Trial(outcome=control, evidence="b"), "open")
    assert found["status"] == status
    assert found["proven"] == (status == "proven")


def test_a_batch_that_broke_off_leaves_errors_and_no_verdicts() -> None:
    group = {name: (PROBES[name], {}) for name in ("mount", "bpf_missing", "ptrace") if name in PROBES}
    output = '{"kernel": "6.1"}\n{"id": "mount", "outcome": "refused", "evidence": "EPERM", "seconds": 0.1}\nKilled\n'
    trials = bench.read_trials(group, 137, output, {})
    assert trials["mount"].outcome == "refused"
    assert trials["ptrace"].outcome == verdict.FAILED
    assert "exit status 137" in trials["ptrace"].evidence
    assert bench.read_greeting(output) == {"kernel": "6.1"}
    assert bench.read_greeting("") == bench.read_greeting("[]") == {}


def test_under_a_kernel_of_its_own_layer_two_claims_nothing() -> None:
    done = Trial(outcome="succeeded", evidence="done")
    assert verdict.of_runtime(PROBE, done, "4.4.0", "6.12").outcome == verdict.OWN_KERNEL
    assert verdict.of_runtime(PROBE, done, "6.12", "6.12") is done
    assert verdict.of_runtime(PROBES["capset"], done, "4.4.0", "6.12").outcome == verdict.OWN_KERNEL
    for name in ("docker_socket", "foreign_volume", "data_upload", "host_root"):
        assert verdict.of_runtime(PROBES[name], done, "4.4.0", "6.12") is done
    assert verdict.of_runtime(PROBES["fork_bomb"], done, "4.4.0", "6.12") is done
    assert verdict.runtime("runsc", "4.4.0", "6.12")["status"] == "enforced"
    assert verdict.runtime("runc", "6.12", "6.12")["status"] == "not_applicable"


def test_an_act_succeeds_if_all_that_it_names_is_off_and_only_then() -> None:
    tried = Trial(outcome="refused", evidence="EPERM")
    attacks = {name: verdict.verdict(PROBES[name], tried, tried, "open") for name in ("mount", "call_bpf")}
    attacks["call_add_key"] = verdict.impossible(PROBES["call_add_key"], "not here")
    assert verdict.expected_open(attacks, frozenset({"seccomp"})) == {"call_bpf"}
    assert verdict.expected_open(attacks, frozenset({"seccomp", "capabilities", "apparmor"})) == {"mount", "call_bpf"}
    assert verdict.expected_open(attacks, frozenset({"capabilities", "apparmor"})) == set()


def draft() -> Draft:
    """Something like a workspace."""
    options = "rw,noexec,nosuid,nodev,size=1000,mode=1777"
    host = {
        "SecurityOpt": ["no-new-privileges:true", "seccomp={}", "apparmor=workspace-container"],
        "Tmpfs": {"/tmp": options},
        "CapDrop": ["ALL"],
        "Mounts": [{"Type": "bind", "Source": "/x", "Target": "/run/proxy", "ReadOnly": True}],
    }
    return Draft(config={"User": "1000:1000", "Env": []}, host=host, volumes={"/workspace": "5"}, neighbour="ws-a")


@pytest.mark.parametrize("name", DEFENCES)
def test_switching_off_changes_the_draft(name: str) -> None:
    changed = draft()
    switch_off(changed, [name])
    assert changed != draft()


def test_a_copy_has_all_that_a_workspace_is_given() -> None:
    given = {field.path[1]: f"any {field.name}" for field in FIELDS if field.path[0] == "Config"}
    container = {"Config": given, "HostConfig": {"PidsLimit": 5}, "Name": "/ws-a", "Image": "sha256:1"}
    copied = drafts.clone(container, {}, Path("/"))
    # A label says whose it is, so a copy has one of its own; the image is named by its digest.
    assert copied.config.items() >= {**given, "Image": "sha256:1"}.items() - {("Labels", "any labels")}
    assert copied.host == {"PidsLimit": 5}


def test_switching_off_changes_nothing_else() -> None:
    changed = draft()
    switch_off(changed, ["noexec"])
    assert "exec" in changed.host["Tmpfs"]["/tmp"].split(",")
    assert "nosuid" in changed.host["Tmpfs"]["/tmp"].split(",")
    assert changed.host["SecurityOpt"] == draft().host["SecurityOpt"]
    switch_off(changed, ["seccomp"])
    assert changed.host["SecurityOpt"] == [
        "no-new-privileges:true",
        "apparmor=workspace-container",
        "seccomp=unconfined",
    ]


def test_a_control_lacks_what_the_probe_names_and_no_more_than_needed() -> None:
    assert drafts.control_of(PROBES["fork_bomb"].defences) == drafts.PLAIN
    assert drafts.control_of(PROBES["mount"].defences) == drafts.OPEN
    assert drafts.control_of(PROBES["host_root"].defences) == drafts.PRIVILEGED
