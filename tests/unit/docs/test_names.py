# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages name is there: variables of roles, and whatever is called by the collection's name."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLACES = ("README*.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "deployment/**/*.md", "roles/*/README.md")
PAGES = sorted(path for place in PLACES for path in ROOT.glob(place))
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
VARIABLE = re.compile(rf"(?<![\w./])((?:{'|'.join(ROLES)})_[a-z0-9_]*[a-z0-9])(?![\w*.(/])")
OURS = re.compile(r"\bbulkhead\.workspace\.([a-z]\w*)")
PLUGINS = ("modules", "filter", "lookup", "callback")
# AppArmor's program, and two types of events.
ALIKE = {"apparmor_parser", "apparmor_denied", "seccomp_denied"}
# The folder, as Python imports it, and the report's own name for its format.
NO_PLUGINS = {"plugins", "report"}


@functools.cache
def variables() -> frozenset[str]:
    """Of all roles."""
    found: set[str] = set()
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            found |= set(entry.get("options", {}))
    return frozenset(found)


def plugins() -> set[str]:
    return {path.stem for kind in PLUGINS for path in (ROOT / "plugins" / kind).iterdir()}


@EACH_PAGE
def test_variables_exist(page: Path) -> None:
    named = set(VARIABLE.findall(page.read_text()))
    assert named - variables() - plugins() - ALIKE == set()


@EACH_PAGE
def test_what_is_called_by_our_name_exists(page: Path) -> None:
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert set(OURS.findall(page.read_text())) - playbooks - plugins() - {*ROLES, *NO_PLUGINS} == set()
