# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes under gVisor: what ends in its kernel is told from what would reach the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.attack import attack
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import names
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver

from workloads import box, gvisor

CONVERSATION = "gvisor"


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    """All acts but those on limits, which this machine's cgroups may not have."""
    probes = [probe for probe in PROBES.values() if not probe.heavy]
    labels = [f"--label={name}={value}" for name, value in names.labels(CONVERSATION).items()]
    with (
        box.host(gvisor.settings()) as running,
        running.container("--runtime=runsc", f"--name={names.container(CONVERSATION)}", *labels),
    ):
        yield attack(Driver(running.running.url, 300), CONVERSATION, probes, control=False)


def test_the_report_says_whose_kernel_answers(found: dict[str, Any]) -> None:
    assert found["runtime"]["status"] == "enforced"
    assert "a kernel of its own answers, 4.4.0" in found["runtime"]["evidence"]


def test_what_ends_in_gvisor_s_kernel_is_no_breach(found: dict[str, Any]) -> None:
    inward = {name for name, entry in found["attacks"].items() if "the runtime's own kernel" in entry["evidence"]}
    assert {"call_unshare", "ptrace", "unshare_user", "capset"} <= inward
    assert {found["attacks"][name]["status"] for name in inward} == {"not_applicable"}


def test_nothing_else_is_open_but_what_the_documents_say(found: dict[str, Any]) -> None:
    # The daemon here does not remap users; the mapping of noexec files is in docs/probes.md.
    opened = {name for name, entry in found["attacks"].items() if entry["status"] == "open"}
    assert opened == {"host_root", "map_tmp"}
    assert {entry["status"] for entry in found["attacks"].values()} <= {"open", "unproven", "not_applicable"}
