# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make long-mutation``: every defence switched off, alone and together with those that stop the same act.

On a machine of its own, in copies of a conversation's container that are thrown away. Prints the matrix and keeps it in
docs/evidence/. What an interrupted run has seen is kept, and counts as long as the probes stay as they were.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from mutation.matrix import Names, concerned, deviations, matrix, runs, sets

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build" / "mutation"
SCENARIO = CHECKOUT / "molecule" / "verify"
VM = [sys.executable, str(CHECKOUT / "molecule" / "shared" / "vm")]
MACHINE = "mutation"
# Few enough that an interrupted run has told most of what it knows.
BATCH = 4


def main() -> int:
    """Brings up a machine, attacks, and tells; the machine ends with this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", default="trixie", choices=["trixie", "bookworm"])
    parser.add_argument("--machine", help="an inventory of a machine that is prepared already")
    parser.add_argument("--first", type=int, default=0, help="only so many sets, for a quick look")
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run ended")
    parser.add_argument("--minutes", type=float, default=600, help="begin nothing new after so many; resume later")
    parser.add_argument("--tell", action="store_true", help="only tell and keep what an interrupted run has seen")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    kept = BUILD / f"results-{options.release}.json"
    if options.tell:
        return tell(told_by(recall(kept)), options.release, keep=True)
    os.environ["BULKHEAD_OWNER_PID"] = str(os.getpid())
    known = recall(kept) if options.resume else {}
    try:
        inventory = options.machine or prepare(options.release)
        attack(inventory, sets()[: options.first or None], known, kept, options.minutes)
    finally:
        if not options.machine:
            subprocess.run([*VM, "down", MACHINE], capture_output=True)
    return tell(told_by(known), options.release, keep=len(known) == len(sets()))


def prepare(release: str) -> str:
    """A machine as the scenario verify makes it; returns its inventory."""
    subprocess.run([*VM, "up", MACHINE, "--release", release], check=True)
    inventory = str(CHECKOUT / "build" / "vm" / "machines" / MACHINE / "inventory.yml")
    scenario = yaml.safe_load((SCENARIO / "molecule.yml").read_text())
    variables = scenario["provisioner"]["inventory"]["group_vars"]["workspace_hosts"]
    for name in ("prepare", "converge"):
        playbook(inventory, SCENARIO / f"{name}.yml", variables)
    return inventory


def playbook(inventory: str, path: Path, variables: dict[str, Any]) -> None:
    """Runs one; its output goes to a log, and is shown if it fails."""
    file = BUILD / "variables.json"
    file.write_text(json.dumps(variables))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", inventory, "-e", f"@{file}", str(path)]
    log = BUILD / f"{path.stem}.log"
    with log.open("w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd=CHECKOUT)
    if done.returncode != 0:
        words = log.read_text()[-4000:]
        sys.exit(f"cannot run {path.name} on the machine: ended with {done.returncode}; log: {log}\n{words}")


def attack(inventory: str, wanted: list[Names], known: dict[str, Any], kept: Path, minutes: float) -> None:
    """Adds the results to what is known, told as they come, and kept in a file from which a run can go on."""
    missing = [off for off in wanted if "+".join(off) not in known]
    began, file, judged_by = time.monotonic(), BUILD / "batch.json", code()
    for start in range(0, len(missing), BATCH):
        if time.monotonic() - began > minutes * 60:
            print(f"{len(missing) - start} sets left; go on with --resume", flush=True)
            return
        batch = missing[start : start + BATCH]
        variables = {
            "mutation_sets": [{"off": off, "probes": concerned(off)} for off in batch],
            "mutation_results": str(file),
        }
        playbook(inventory, Path(__file__).with_name("attack.yml"), variables)
        if code() != judged_by:
            sys.exit("cannot use what this batch saw: the probes were changed under it; start anew")
        for off, result in zip(batch, json.loads(file.read_text()), strict=True):
            known["+".join(off)] = result
            wrong = deviations(off, result)
            told = "; ".join(wrong) if wrong else f"{len(result['open'])} red, exactly as expected"
            print(f"{time.monotonic() - began:5.0f} s  without {'+'.join(off)}: {told}", flush=True)
        kept.write_text(json.dumps({"code": judged_by, "sets": known}))


def recall(kept: Path) -> dict[str, Any]:
    """What an earlier run has seen, by set. Refuses what other probes saw."""
    document = json.loads(kept.read_text())
    if document["code"] != code():
        sys.exit(f"cannot go on with {kept}: the probes have changed since; start anew without --resume")
    sets_seen: dict[str, Any] = document["sets"]
    return sets_seen


def told_by(known: dict[str, Any]) -> dict[Names, dict[str, Any]]:
    """The results in the order in which the sets are tried."""
    return {off: known["+".join(off)] for off in sets() if "+".join(off) in known}


def code() -> str:
    """A digest of everything that decides how a probe ends."""
    files = sorted((CHECKOUT / "plugins" / "module_utils" / "_probes").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def tell(results: dict[Names, dict[str, Any]], release: str, *, keep: bool) -> int:
    """Prints the matrix, and keeps it if wished."""
    wrong = [line for off, result in results.items() for line in deviations(off, result)]
    attempts = sum(len(result.get("attacks", {})) for result in results.values())
    lines = [
        f"# Mutation matrix, Debian {'13' if release == 'trixie' else '12'}",
        "",
        f"`make long-mutation`, {time.strftime('%Y-%m-%d')}: {len(results)} of {len(sets())} sets of defences "
        f"switched off, {len(wrong)} deviations. {attempts} attacks, all by the same code "
        f"(SHA-256 of the probes: {code()[:16]}). [What it means](../mutation.md).",
        "",
        "## By defence",
        "",
        *matrix(results),
        "",
        "## Run by run",
        "",
        *runs(results),
        *(["", "## Deviations", "", *(f"- {line}" for line in wrong)] if wrong else []),
    ]
    print("\n".join(lines))
    if keep:
        (CHECKOUT / "docs" / "evidence" / f"mutation-{release}.md").write_text("\n".join(lines) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
