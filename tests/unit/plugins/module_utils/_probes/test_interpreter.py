# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's interpreter, carried elsewhere: it has every library under the name that programs ask for, and it runs."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes import catalogue, interpreter, probe


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with everything, and the command in it."""
    folder = tmp_path_factory.mktemp("carried")
    return folder, interpreter.carry(folder)


def test_every_library_is_there_by_the_name_that_is_asked_for(carried: tuple[Path, list[str]]) -> None:
    folder, command = carried
    loader, program = folder / command[0], folder / command[-1]
    listed = subprocess.run([loader, "--list", program], capture_output=True, text=True, check=True).stdout
    asked = {line.split()[0] for line in listed.splitlines() if "=>" in line}
    assert asked
    assert {name for name in asked if not (folder / "bin" / Path(name).name).exists()} == set()


def test_it_runs_with_modules_of_its_own(carried: tuple[Path, list[str]]) -> None:
    folder, command = carried
    question = "import ctypes, json, socket, sys; print(sys.prefix, len(sys.argv), ctypes.CDLL(None).getpid() > 0)"
    whole = interpreter.carried_command("t", str(folder), command, question, "[]")
    said = subprocess.run(whole, capture_output=True, text=True, check=True, cwd="/").stdout
    assert said.split() == [str(folder), "3", "True"]


def test_every_module_that_acts_import_is_carried() -> None:
    imported = set()
    for node in ast.walk(ast.parse(probe.program(catalogue.PROBES.values()))):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    carried = set(interpreter.image_question("0" * 8)[-2].removeprefix("import ").partition(";")[0].split(", "))
    assert imported <= carried
