# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the tables of docs/probes.md and docs/crosswalk.md from the catalogue and from docs/crosswalk.yml.

From the checkout: ``PYTHONPATH=.ansible/collections .venv/bin/python docs/tables.py``. With ``--check`` it changes
nothing, and ends with 1 where a page is not up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes import drafts
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.catalogue import PROBES
from ansible_collections.bulkhead.workspace.plugins.module_utils._probes.defences import DEFENCES

HERE = Path(__file__).resolve().parent
SECTIONS = ("cis", "anthropic", "design")


def crosswalk() -> dict[str, list[dict[str, Any]]]:
    """The rows by section."""
    found: dict[str, list[dict[str, Any]]] = yaml.safe_load((HERE / "crosswalk.yml").read_text())
    return found


def probes_table() -> str:
    """A row for each probe."""
    rows = [
        "| probe | layer | what it tries | stopped, each alone, by | control | references |",
        "|---|---|---|---|---|---|",
    ]
    for name, probe in PROBES.items():
        needs = {defence: f" ({feature})" for defence, feature in probe.needs.items()}
        stops = ", ".join(f"`{defence}`{needs.get(defence, '')}" for defence in probe.defences)
        references = "; ".join(probe.references)
        control = drafts.control_of(probe.defences)
        rows.append(f"| `{name}` | {probe.layer} | {probe.title} | {stops} | {control} | {references} |")
    return "\n".join(rows)


def defences_table() -> str:
    """A row for each defence."""
    rows = ["| defence | layer | what it is | setting | probes that name it |", "|---|---|---|---|---|"]
    for name, defence in DEFENCES.items():
        count = sum(name in probe.defences for probe in PROBES.values())
        rows.append(f"| `{name}` | {defence.layer} | {defence.title} | {defence.setting} | {count} |")
    return "\n".join(rows)


def crosswalk_table(section: str) -> str:
    """A row for each requirement."""
    rows = ["| item | asks for | setting | made in | proof |", "|---|---|---|---|---|"]
    for row in crosswalk()[section]:
        proof = row["proof"] if isinstance(row["proof"], str) else ", ".join(f"`{name}`" for name in row["proof"])
        setting = row["setting"] if row["setting"] in ("fixed", "yours") else f"`{row['setting']}`"
        rows.append(f"| {row['item']} | {row['asks']} | {setting} | `{row['made']}` | {proof} |")
    return "\n".join(rows)


def pages() -> dict[Path, str]:
    """The pages as they should be: what stands between the marks of a table is that table."""
    tables = {"probes": probes_table(), "defences": defences_table()}
    tables |= {section: crosswalk_table(section) for section in SECTIONS}
    found = {}
    for name in ("probes.md", "crosswalk.md"):
        path = HERE / name
        found[path] = re.sub(
            r"(<!-- table (\w+) -->\n).*?(<!-- end -->)",
            lambda mark: f"{mark[1]}\n{tables[mark[2]]}\n\n{mark[3]}",
            path.read_text(),
            flags=re.DOTALL,
        )
    return found


def main() -> int:
    """Entry point."""
    stale = [path for path, text in pages().items() if path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.name} is not up to date; run PYTHONPATH=.ansible/collections .venv/bin/python docs/tables.py")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages()[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
