# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and values of role variables, against the specifications of the real roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _role_variables

ROLES = Path(__file__).parents[4] / "roles"


def specification(role: str) -> dict[str, Any]:
    options: dict[str, Any] = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())[
        "argument_specs"
    ]["main"]["options"]
    return options


def test_a_misspelt_name_is_named_with_the_names_that_exist() -> None:
    [problem] = _role_variables.unknown("xfs_quota", specification("xfs_quota"), ["xfs_quota_size", "xfs_quota_sise"])
    assert "'xfs_quota_sise'" in problem
    assert problem.endswith(", ".join(sorted(specification("xfs_quota"))))


def test_names_of_the_specification_are_no_problem() -> None:
    assert _role_variables.unknown("xfs_quota", specification("xfs_quota"), specification("xfs_quota")) == []


def test_every_wrong_value_is_told() -> None:
    wrong = {"docker_userns_enabled": "perhaps", "docker_userns_subid_start": "many"}
    problems = _role_variables.mistyped("docker_userns", specification("docker_userns"), wrong)
    assert len(problems) == 2
    assert all(name in "".join(problems) for name in wrong)


def test_a_part_of_the_variables_is_enough() -> None:
    role = specification("credential_proxy")
    assert _role_variables.mistyped("credential_proxy", role, {"credential_proxy_audit_days": "30"}) == []


@pytest.mark.parametrize(
    ("role", "secret"),
    [("credential_proxy", "credential_proxy_credentials"), ("s3_lifecycle", "s3_lifecycle_secret_key")],
)
def test_what_holds_a_secret_is_not_looked_at(role: str, secret: str) -> None:
    assert secret in specification(role)
    assert secret not in _role_variables.checkable(specification(role), specification(role))


def test_the_error_names_the_host_and_every_problem() -> None:
    assert _role_variables.told("ws-1", ["one", "two"]) == "cannot configure ws-1; nothing was changed: one; two"
