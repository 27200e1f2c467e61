# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Dockerfile and build.py describe one image."""

from __future__ import annotations

import json
from pathlib import Path

from image import build

DOCKERFILE = Path(build.HERE / "Dockerfile").read_text().splitlines()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in DOCKERFILE if line.startswith(f"{name} ")]


def test_the_dockerfile_configures_what_build_py_configures() -> None:
    assert instructions("USER") == [build.CONFIG["User"]]
    assert instructions("WORKDIR") == [build.CONFIG["WorkingDir"]]
    assert instructions("ENV") == build.CONFIG["Env"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == build.CONFIG["Entrypoint"]
    assert json.loads(instructions("CMD")[0]) == build.CONFIG["Cmd"]


def test_both_start_from_the_same_release() -> None:
    assert instructions("FROM") == [f"debian:{build.RELEASE}-slim"]


def test_every_ingredient_is_used_by_the_dockerfile() -> None:
    text = "\n".join(DOCKERFILE)
    assert [name for name in build.INGREDIENTS if name not in text] == []


def test_packages_are_names_in_order() -> None:
    packages = build.packages()
    assert "python3" in packages and "socat" in packages
    assert packages == sorted(set(packages))
