# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the seccomp profile allows and costs, beside Docker's default profile and none: `make bench-profile`.

The calls are counted against Docker's current default; the times are those of a native daemon with its own default:
processor seconds, so that other work on the machine is left out. AppArmor is not measured: it needs a kernel that has
it, and a VM's times say little.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for folder in ("tests", "molecule/shared", "benchmarks"):
    sys.path.insert(0, str(ROOT / folder))

from frame import Series, publish, ratio  # noqa: E402
from workloads import box  # noqa: E402

REPEATS = 41
INSIDE = ROOT / "benchmarks" / "profile_support" / "inside.py"
PROFILES = {level: ROOT / "deployment" / "seccomp" / f"workspace-seccomp{suffix}.json"
            for level, suffix in (("standard", ""), ("strict", "-strict"))}  # fmt: skip
DOCKER_DEFAULT = ROOT / "tests" / "workloads" / "docker-default.txt"
ACTS = ("getppid", "git", "python")


def allowed(profile: Path) -> set[str]:
    """The names that a profile allows for some arguments at least."""
    rules = json.loads(profile.read_text(encoding="utf-8"))["syscalls"]
    return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


def docker_allows() -> set[str]:
    lines = DOCKER_DEFAULT.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def show_difference(level: str, ours: set[str], theirs: set[str]) -> None:
    """The calls as a diff: what Docker's default allows and ours does not, and the other way round."""
    print(f"--- Docker's current default: {len(theirs)} calls\n+++ {level}: {len(ours)} calls")
    print(
        "".join(f"-{name}\n" for name in sorted(theirs - ours))
        + "".join(f"+{name}\n" for name in sorted(ours - theirs))
    )


def measure() -> dict[str, Series]:
    """Seconds of each act under each profile, as ``ACT PROFILE``; the profiles take turns."""
    options = {
        "none": "seccomp=unconfined",
        "docker": None,
        **{level: f"seccomp={path}" for level, path in PROFILES.items()},
    }
    seconds: dict[str, list[float]] = {f"{act} {name}": [] for act in ACTS for name in options}
    with ExitStack() as stack:
        host = stack.enter_context(box.host())
        containers = {
            name: stack.enter_context(host.container(*([f"--security-opt={option}"] if option else [])))
            for name, option in options.items()
        }
        source = INSIDE.read_text(encoding="utf-8")

        def run(name: str, *arguments: str) -> str:
            done = host.docker("exec", "--interactive", containers[name], "python3", "-", *arguments, stdin=source)
            if done.returncode != 0:
                raise SystemExit(f"cannot run the benchmark under {name}: {done.stderr.strip()}")
            return done.stdout

        for name in containers:
            run(name, "prepare")
        for turn in range(-1, REPEATS):
            names = list(containers)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                found = json.loads(run(name))
                for act in ACTS:
                    if turn >= 0:
                        seconds[f"{act} {name}"].append(found[act])
    return {name: Series(name, tuple(values)) for name, values in seconds.items()}


def main() -> int:
    theirs = docker_allows()
    sizes = {}
    for level, path in PROFILES.items():
        ours = allowed(path)
        sizes[level] = len(ours)
        show_difference(level, ours, theirs)
    series = measure()
    version = subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    ratios = {
        "allowed_vs_docker_default": sizes["standard"] / len(theirs),
        "strict_vs_docker_default": sizes["strict"] / len(theirs),
        **{f"{act}_vs_docker_default": ratio(series[f"{act} standard"], series[f"{act} docker"]) for act in ACTS},
        **{f"{act}_vs_none": ratio(series[f"{act} standard"], series[f"{act} none"]) for act in ACTS},
        **{f"{act}_strict_vs_docker_default": ratio(series[f"{act} strict"], series[f"{act} docker"]) for act in ACTS},
    }
    wanted = {"allowed_vs_docker_default": "<= 0.86", "strict_vs_docker_default": "<= 0.56"}
    wanted |= {f"{act}_vs_docker_default": "<= 1.00" for act in ACTS}
    wanted |= {f"{act}_vs_none": "<= 1.02" for act in ("git", "python")}
    commit = re.search(r"commit (\w+)", DOCKER_DEFAULT.read_text(encoding="utf-8"))
    publish(
        "profile",
        list(series.values()),
        ratios,
        wanted=wanted,
        versions={"times": version, "calls": f"moby/profiles {commit[1]}" if commit else ""},
        notes=["AppArmor is not part of these times: this daemon runs without it."],
        allowed={**sizes, "docker": len(theirs)},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
