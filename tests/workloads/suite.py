# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs CPython's suite under both levels of our seccomp profile, natively, and what fails there under Docker's default.

Prints every test that passes under the default alone, with the rule that forbids it and the reason. Exit 1 where one
has no reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "molecule/shared")]

from workloads import box, cpython  # noqa: E402

SECCOMP = ROOT / "deployment" / "seccomp"
PROFILES = {"standard": SECCOMP / "workspace-seccomp.json", "strict": SECCOMP / "workspace-seccomp-strict.json"}
SECONDS = 3600


def run(host: box.Host, container: str, tests: Sequence[str] = ()) -> dict[str, str]:
    """The outcomes of these tests in a container, or of all."""
    host.docker("exec", container, "rm", "-f", cpython.RESULTS)
    done = host.docker("exec", container, *cpython.command(tests), seconds=SECONDS)
    report = host.docker("exec", container, "cat", cpython.RESULTS)
    if report.returncode != 0:
        raise SystemExit(f"cannot run the suite: it left no report; it said: {done.stdout[-500:]}{done.stderr[-500:]}")
    return cpython.outcomes(report.stdout)


def compare(host: box.Host, level: str, default: str, names: Sequence[str]) -> tuple[str, int]:
    """One level against the container under Docker's default: the report, and how many tests have no reason."""
    with host.container(f"--security-opt=seccomp={PROFILES[level]}") as container:
        ours = run(host, container)
        missed = cpython.not_passed(names, ours)
        found = cpython.differences(missed, run(host, default, sorted(missed)), level)
        left = cpython.unexplained(found, lambda tests: run(host, container, tests))
    lines = [f"{level}: {dict(Counter(ours.values()))}; {len(found)} tests pass under Docker's default alone"]
    for one in found:
        lines.append(f"  {one.test}: {one.ours}; {one.reason or ('NO REASON' if one in left else 'passes alone')}")
    return "\n".join(lines), len(left)


def main() -> int:
    # A container for each comparison: what one suite leaves behind is not in the other's way.
    with box.host() as host, host.container() as first, host.container() as second, ThreadPoolExecutor() as pool:
        names = host.docker("exec", first, *cpython.listing()).stdout.split()
        print(f"{len(names)} tests", flush=True)
        running = [
            pool.submit(compare, host, level, default, names)
            for level, default in zip(PROFILES, (first, second), strict=True)
        ]
        results = [one.result() for one in running]
    print(*(report for report, _ in results), sep="\n")
    return 1 if any(left for _, left in results) or not names else 0


if __name__ == "__main__":
    sys.exit(main())
