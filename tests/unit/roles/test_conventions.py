# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every role promises: a specification that says the same as its defaults, a README, and steps in one order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(
    role for role in (Path(__file__).parents[3] / "roles").iterdir() if (role / "tasks" / "main.yml").exists()
)
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def options(role: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def leaves(specification: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Every option by its path, nested ones too."""
    found = {}
    for name, option in specification.items():
        found[f"{path}{name}"] = option
        found.update(leaves(option.get("options", {}), f"{path}{name}."))
    return found


@each_role
def test_defaults_and_specification_name_the_same_variables(role: Path) -> None:
    assert set(load(role / "defaults" / "main.yml")) == set(options(role))


@each_role
def test_documented_defaults_are_the_real_ones(role: Path) -> None:
    documented = {name: option["default"] for name, option in options(role).items() if "default" in option}
    real = {name: value for name, value in load(role / "defaults" / "main.yml").items() if name in documented}
    assert documented == real


@each_role
def test_every_option_has_a_type_and_a_description(role: Path) -> None:
    bare = [path for path, option in leaves(options(role)).items() if not {"type", "description"} <= set(option)]
    assert bare == []


@each_role
def test_every_variable_has_the_roles_prefix_and_a_comment(role: Path) -> None:
    text = (role / "defaults" / "main.yml").read_text().splitlines()
    for number, line in enumerate(text):
        if line[:1].isalpha():
            assert line.startswith(f"{role.name}_"), line
            # One comment may stand above variables that belong together.
            above = text[number - 1]
            assert above.startswith(("#", f"{role.name}_")), f"{line} has no comment above it"


@each_role
@pytest.mark.parametrize("step", ["preflight", "install", "configure", "verify"])
def test_a_role_has_its_steps_in_files(role: Path, step: str) -> None:
    assert (role / "tasks" / f"{step}.yml").exists()
    assert f"{step}.yml" in (role / "tasks" / "main.yml").read_text()


@each_role
def test_the_readme_names_every_variable(role: Path) -> None:
    readme = (role / "README.md").read_text()
    assert [name for name in options(role) if name not in readme] == []


@each_role
def test_task_files_stay_small(role: Path) -> None:
    long = {file.name: n for file in (role / "tasks").glob("*.yml") if (n := len(file.read_text().splitlines())) > 150}
    assert long == {}
