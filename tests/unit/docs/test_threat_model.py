# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every threat of the page has a control, and a proof that exists and speaks of the layers that the row names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.defences import DEFENCES

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")][2:]
THREATS = pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])


def proofs(row: list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", row[4])


def layers_of(probe: str) -> set[str]:
    """The probe's own, and those of the defences that stop it."""
    return {PROBES[probe].layer, *(DEFENCES[name].layer for name in PROBES[probe].defences)}


def test_every_letter_of_stride_is_there() -> None:
    letters = re.findall(r"^\| \*\*(\w)", PAGE, re.MULTILINE)
    assert letters == list("STRIDE")


@THREATS
def test_no_cell_is_empty(row: list[str]) -> None:
    assert len(row) == 5 and all(row)


@THREATS
def test_every_proof_exists(row: list[str]) -> None:
    assert proofs(row)
    for name in proofs(row):
        assert name in PROBES or (ROOT / name).is_file(), name


@pytest.mark.parametrize("row", [row for row in ROWS if set(proofs(row)) <= set(PROBES)], ids=lambda row: row[0])
def test_the_probes_speak_of_the_layers(row: list[str]) -> None:
    probes = proofs(row)
    claimed = set(row[3].split(", "))
    assert claimed <= set().union(*map(layers_of, probes))
    for name in probes:
        assert layers_of(name) & claimed, name
