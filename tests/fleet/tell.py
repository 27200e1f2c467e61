# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a story step by step on fresh machines, and prints what came out and how long it took."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .hosts import Fleet, fleet


def tell(name: str, machines: Sequence[str], steps: Sequence[Callable[[Fleet], str]], about: str | None) -> None:
    """Run the steps in order; each returns what came out, or ends the story."""
    parser = argparse.ArgumentParser(prog=f"make long-{name}", description=about)
    parser.add_argument("--release", default="trixie", help="Debian's release")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="fleet-") as folder,
        fleet(Path(folder), options.release, machines) as hosts,
    ):
        for step in steps:
            begun = time.monotonic()
            print(f"{name}: {step.__name__.replace('_', ' ')}: ", end="", flush=True)
            print(f"{step(hosts)} ({time.monotonic() - begun:.0f} s)", flush=True)
    print(f"{name}: {len(steps)} steps on {options.release}, all as they say")
