# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages about probes say what the catalogue says, and the crosswalk has no empty cell and leads to what exists."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

import pytest
import tables
import yaml
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.options import OPTIONS

ROOT = Path(__file__).resolve().parents[3]
ROWS = [(section, row) for section, rows in tables.crosswalk().items() for row in rows]
CROSSWALK = pytest.mark.parametrize(("section", "row"), ROWS, ids=[f"{section} {row['item']}" for section, row in ROWS])


@functools.cache
def variables() -> frozenset[str]:
    """Every setting that there is, as the crosswalk writes them."""
    found = {f"workspace_container.{option.name}" for option in OPTIONS if option.argument}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        found |= set(yaml.safe_load(path.read_text()))
    return frozenset(found)


def test_the_pages_are_up_to_date() -> None:
    assert [path.name for path, text in tables.pages().items() if path.read_text() != text] == []


def test_the_sections_are_all_there() -> None:
    assert set(tables.crosswalk()) == set(tables.SECTIONS)


@CROSSWALK
def test_no_cell_is_empty(section: str, row: dict[str, object]) -> None:
    assert section in tables.SECTIONS
    assert set(row) == {"item", "asks", "setting", "made", "proof"}
    assert all(row.values())


@CROSSWALK
def test_what_a_row_names_exists(section: str, row: dict[str, object]) -> None:
    assert row["setting"] in {"fixed", "yours", *variables()}, section
    assert (ROOT / str(row["made"])).is_file()
    if isinstance(row["proof"], list):
        assert set(row["proof"]) <= set(PROBES)


def cis_items() -> list[str]:
    """The numbers in the crosswalk, "4.2 to 4.4" taken apart."""
    found = []
    for row in tables.crosswalk()["cis"]:
        for part in row["item"].split(", "):
            first, _to, last = part.partition(" to ")
            head, _dot, number = first.rpartition(".")
            found += [f"{head}.{count}" for count in range(int(number), int((last or first).rpartition(".")[2]) + 1)]
    return found


def test_every_item_of_the_benchmark_has_one_row() -> None:
    sections = {"1.1": 18, "1.2": 2, "2": 18, "3": 24, "4": 12, "5": 32}
    items = [f"{section}.{number}" for section, last in sections.items() for number in range(1, last + 1)]
    assert sorted(cis_items()) == sorted(items)


def test_every_cis_item_that_a_probe_claims_is_in_the_crosswalk() -> None:
    claimed = {
        reference.removeprefix("CIS Docker ")
        for probe in PROBES.values()
        for reference in probe.references
        if reference.startswith("CIS Docker ")
    }
    assert claimed <= set(cis_items())


def test_the_mutation_page_names_what_goes_off_together() -> None:
    page = (ROOT / "docs" / "mutation.md").read_text()
    defences = importlib.import_module("ansible_collections.bulkhead.workspace.plugins.module_utils._probes.defences")
    together = {name for name, defence in defences.DEFENCES.items() if defence.implies}
    assert {name for name in together if f"| `{name}` |" in page} == together
