# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-builder takes the definition of the execution environment, which names the collection's version of today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
DEFINITION = Path("deployment/execution-environment/execution-environment.yml")


def test_ansible_builder_makes_a_context_with_the_tarball_that_it_installs(tmp_path: Path) -> None:
    (tmp_path / DEFINITION).parent.mkdir(parents=True)
    (tmp_path / DEFINITION).write_bytes((ROOT / DEFINITION).read_bytes())
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    tarball = tmp_path / f"build/dist/bulkhead-workspace-{version}.tar.gz"
    tarball.parent.mkdir(parents=True)
    tarball.touch()

    builder = [Path(sys.executable).with_name("ansible-builder"), "create", "--output-filename", "Containerfile"]
    subprocess.run([*builder, "--file", tmp_path / DEFINITION, "--context", tmp_path / "context"], check=True)

    wanted = yaml.safe_load((tmp_path / "context/_build/requirements.yml").read_text())["collections"]
    assert [(tmp_path / "context/_build" / one["name"]).is_file() for one in wanted] == [True]
    assert "ENTRYPOINT" in (tmp_path / "context/Containerfile").read_text()


def test_its_python_packages_are_those_of_the_collection() -> None:
    meta = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())["dependencies"]
    assert all((ROOT / file).is_file() for file in meta.values())
