# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs CPython's suite under Docker's default seccomp profile and under ours, natively, and prints the differences.

A difference without a known reason runs three times more, alone: what then passes once was a test that needs a quiet
machine. Exit 1 where a difference is left without a reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "molecule/shared")]

from workloads import box, cpython  # noqa: E402

SECCOMP = ROOT / "deployment" / "seccomp"
PROFILES = {"standard": SECCOMP / "workspace-seccomp.json", "strict": SECCOMP / "workspace-seccomp-strict.json"}
AGAIN = 3
SECONDS = 3600


def run(host: box.Host, container: str, command: list[str]) -> dict[str, str]:
    host.docker("exec", container, "rm", "-f", cpython.RESULTS)
    host.docker("exec", container, *command, seconds=SECONDS)
    report = host.docker("exec", container, "cat", cpython.RESULTS)
    return cpython.outcomes(report.stdout) if report.returncode == 0 else {}


def unexplained(host: box.Host, container: str, found: list[cpython.Difference]) -> list[cpython.Difference]:
    """The differences without a reason that stay when the tests run again, alone."""
    left = [one for one in found if not one.reason]
    for _ in range(AGAIN):
        if left:
            modules = sorted({one.test.split(".")[1] for one in left})
            again = run(host, container, cpython.command(modules, tests=[one.test for one in left]))
            left = [one for one in left if again.get(one.test) != "pass"]
    return left


def main() -> int:
    bad = 0
    with box.host() as host:
        with host.container() as container:
            default = run(host, container, cpython.command(jobs=2))
        print(f"Docker's default: {dict(Counter(default.values()))}", flush=True)
        for level, profile in PROFILES.items():
            with host.container(f"--security-opt=seccomp={profile}") as container:
                ours = run(host, container, cpython.command(jobs=2))
                found = cpython.differences(default, ours)
                left = unexplained(host, container, found)
            print(f"{level}: {dict(Counter(ours.values()))}")
            for one in found:
                print(f"  {one.test}: {one.ours}; {one.reason or ('NO REASON' if one in left else 'passes alone')}")
            bad += len(left) if level == "standard" else 0
    return 1 if bad or not default else 0


if __name__ == "__main__":
    sys.exit(main())
