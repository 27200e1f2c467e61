# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wishes for hosts that need not be there; what preflight sees on a real host is the scenario `site`'s part."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults.machine import ROOT, ansible_environment

CHANGED = re.compile(r"changed=(\d+)")
# What every host needs, and nothing that is wrong.
SOUND: dict[str, Any] = {
    "workspace_environment": "production",
    "credential_proxy_credentials": [{"name": "anthropic", "value": "sk-ant-preflight-0123456789"}],
}


def play(
    home: Path,
    hosts: dict[str, dict[str, Any]],
    *more: str,
    name: str = "preflight",
    storage: dict[str, dict[str, Any]] | None = None,
    **variables: Any,
) -> tuple[int, str]:
    """Runs a playbook of the collection over hosts that nobody can reach; exit status, and the output on one line."""
    inventory = {
        "workspace_hosts": {
            "hosts": hosts,
            "vars": {"ansible_host": "127.0.0.1", "ansible_port": 9, **SOUND, **variables},
        },
        "workspace_storage": {"hosts": storage or {"controller": {}}, "vars": {"ansible_connection": "local"}},
    }
    file = home / "inventory.json"
    file.write_text(json.dumps(inventory))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, f"bulkhead.workspace.{name}", "-i", str(file), *more],
        cwd=ROOT,
        env=ansible_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split()).replace("''", "'")


WISHES_ONLY = ("--skip-tags", "preflight_look")


def test_sound_wishes_pass(tmp_path: Path) -> None:
    status, output = play(tmp_path, {"one": {}, "two": {}}, *WISHES_ONLY)
    assert status == 0, output


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"docker_userns_enabled": False}, ["L7", "set docker_userns_enabled to true"]),
        # As an inventory in INI says it.
        ({"docker_userns_enabled": "false"}, ["L7", "set docker_userns_enabled to true"]),
        ({"docker_userns_state": "absent"}, ["L7", "docker_userns_state to present"]),
        ({"seccomp_enabled": False}, ["L2 (seccomp) is off", "set seccomp_enabled to true"]),
        ({"seccomp_enabled": "no"}, ["L2 (seccomp) is off", "set seccomp_enabled to true"]),
        ({"seccomp_state": "absent"}, ["L2 (seccomp) is off", "seccomp_state to present"]),
        ({"seccomp_mode": "learn"}, ["L2 (seccomp) only learns", "set seccomp_mode to enforce"]),
        ({"apparmor_enabled": False}, ["L2 (AppArmor) is off", "set apparmor_enabled to true"]),
        ({"apparmor_enabled": "off"}, ["L2 (AppArmor) is off", "set apparmor_enabled to true"]),
        ({"apparmor_state": "absent"}, ["L2 (AppArmor) is off", "apparmor_state to present"]),
        ({"apparmor_mode": "complain"}, ["L2 (AppArmor) only complains", "set apparmor_mode to enforce"]),
        ({"xfs_quota_enabled": False}, ["L3", "set xfs_quota_enabled to true"]),
        ({"xfs_quota_enabled": "false"}, ["L3", "set xfs_quota_enabled to true"]),
        ({"xfs_quota_state": "absent"}, ["L3", "xfs_quota_state to present"]),
        ({"credential_proxy_enabled": False}, ["L6", "set credential_proxy_enabled to true"]),
        ({"credential_proxy_enabled": "0"}, ["L6", "set credential_proxy_enabled to true"]),
        ({"credential_proxy_state": "absent"}, ["L6", "credential_proxy_state to present"]),
        ({"workspace_serial": 1}, ["workspace_serial is set in the inventory", "-e workspace_serial="]),
        ({"workspace_environment": "prod"}, ["workspace_environment is prod", "development, staging, production"]),
        ({"apparmor_mod": "enforce"}, ["no variable 'apparmor_mod'", "correct the name"]),
        ({"xfs_quota_convert_ok": "perhaps"}, ["xfs_quota_convert_ok", "'perhaps' is not a valid boolean"]),
        ({"credential_proxy_routes": [{"nam": "x"}]}, ["credential_proxy_routes", "nam"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_wish_is_named_with_its_cure(tmp_path: Path, variables: dict[str, Any], words: list[str]) -> None:
    status, output = play(tmp_path, {"one": {}}, *WISHES_ONLY, **variables)
    assert status != 0
    assert [word for word in ["one", *words] if word not in output] == [], output


@pytest.mark.parametrize(("environment", "status"), [("development", 0), ("staging", 2)])
def test_what_an_environment_may_leave_out(tmp_path: Path, environment: str, status: int) -> None:
    """Staging keeps the daemon's layers; development none."""
    off: dict[str, Any] = {
        "workspace_environment": environment,
        "docker_userns_enabled": False,
        "apparmor_mode": "complain",
    }
    found, output = play(tmp_path, {"one": {}}, *WISHES_ONLY, **off)
    assert found == status, output
    assert "only complains" not in output


@pytest.mark.parametrize(
    "given", ['{"s3_lifecycle_enabled": false}', "s3_lifecycle_enabled=false", "s3_lifecycle_state=absent"]
)
def test_retention_is_required_in_production(tmp_path: Path, given: str) -> None:
    status, output = play(tmp_path, {"one": {}}, *WISHES_ONLY, "-e", given)
    assert status != 0
    cure = "set s3_lifecycle_enabled to true and s3_lifecycle_state to present"
    assert f"S3 retention is off on controller; {cure}" in output


def test_every_host_of_the_storage_has_to_keep_its_retention(tmp_path: Path) -> None:
    storage: dict[str, dict[str, Any]] = {
        "first": {},
        "second": {"s3_lifecycle_enabled": "false"},
        "third": {"s3_lifecycle_state": "absent"},
        "fourth": {"s3_lifecycle_enabled": "yes"},
    }
    status, output = play(tmp_path, {"one": {}}, *WISHES_ONLY, storage=storage)
    assert status != 0
    assert "S3 retention is off on second, third; set" in output


def test_a_group_for_the_retention_is_required_in_production(tmp_path: Path) -> None:
    status, output = play(
        tmp_path, {"one": {}}, *WISHES_ONLY, "-e", "storage_target=nobody", "-e", "workspace_serial=2"
    )
    assert status != 0
    assert "no host is in the group workspace_storage" in output and "add the controller to it" in output
    assert "is set in the inventory" not in output


def test_every_problem_of_every_host_at_once(tmp_path: Path) -> None:
    hosts: dict[str, dict[str, Any]] = {
        "one": {"apparmor_mode": "complain", "seccomp_mod": "x"},
        "two": {"xfs_quota_enabled": False},
        "three": {},
    }
    status, output = play(tmp_path, hosts, *WISHES_ONLY, "-e", "s3_lifecycle_expire_days=never")
    assert status != 0
    report = output.partition("hosts have problems:")[2].partition("Correct them")[0]
    assert "3 of 4 hosts have problems" in output
    for words in ("only complains", "'seccomp_mod'", "L3 (disk limit) is off", "s3_lifecycle_expire_days"):
        assert words in report
    assert "three" not in report


def test_the_roll_out_stops_before_its_first_change(tmp_path: Path) -> None:
    """A host that does not answer is a problem, too, beside one that would have been left out of a layer."""
    hosts: dict[str, dict[str, Any]] = {"one": {"apparmor_mode": "complain"}, "two": {}}
    status, output = play(tmp_path, hosts, name="site")
    assert status != 0
    report = output.partition("hosts have problems:")[2].partition("Correct them")[0]
    assert report.count("the host does not answer; mend its connection") == 2, output
    assert "only complains" in report
    assert set(CHANGED.findall(output)) == {"0"}
    assert "Harden the hosts" not in output


def test_the_way_back_stops_before_its_first_change(tmp_path: Path) -> None:
    status, output = play(tmp_path, {"one": {}, "two": {}}, name="rollback")
    assert status != 0
    report = output.partition("cannot take the hardening back; nothing was changed.")[2].partition("Correct them")[0]
    assert "2 of 2 hosts have problems:" in report
    assert report.count("the host does not answer; mend its connection") == 2, output
    assert "Take the hardening back" not in output.partition("PLAY RECAP")[0]


def test_the_way_back_checks_the_named_roles_only(tmp_path: Path) -> None:
    _status, output = play(tmp_path, {"one": {}}, "--tags", "seccomp,gvisor", name="rollback")
    assert set(re.findall(r"Check the variables of ([a-z_]+)", output)) == {"seccomp", "gvisor"}, output


def test_the_way_back_names_the_roles_that_are_switched_off(tmp_path: Path) -> None:
    _status, output = play(tmp_path, {"one": {"seccomp_enabled": "false"}}, "--tags", "seccomp,gvisor", name="rollback")
    assert "seccomp: switched off with _enabled" in output
    assert "gvisor, seccomp: switched off" not in output
