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
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for folder in ("tests", "molecule/shared", "benchmarks"):
    sys.path.insert(0, str(ROOT / folder))

from frame import Series, publish  # noqa: E402
from workloads import box  # noqa: E402

REPEATS = int(os.environ.get("BENCH_REPEATS", "200"))
WARM_UP = 4
INSIDE = ROOT / "benchmarks" / "profile_support" / "inside.py"
PLACE = "/workspace/inside.py"
VOLUME = "bench:/bench"
PROFILES = {level: ROOT / "deployment" / "seccomp" / f"workspace-seccomp{suffix}.json"
            for level, suffix in (("standard", ""), ("strict", "-strict"))}  # fmt: skip
DOCKER_DEFAULT = ROOT / "tests" / "workloads" / "docker-default.txt"
ACTS = ("getppid", "git", "python")
# What the filter on the mode of new files costs: the one argument filter that busy programs meet. No limit is wanted.
OPEN = "open"


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


@contextmanager
def bench(host: box.Host, *options: str) -> Iterator[Callable[[str], float]]:
    """A container with these options, made ready; what is given runs one act in it and says its seconds."""
    with host.container(f"--volume={VOLUME}", *options) as container:
        host.docker("exec", "--interactive", container, "tee", PLACE, stdin=INSIDE.read_text(encoding="utf-8"))
        with subprocess.Popen(
            ["docker", "exec", "--interactive", container, "python3", PLACE],
            env=host.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as inside:
            assert inside.stdin is not None
            assert inside.stdout is not None
            questions, answers = inside.stdin, inside.stdout

            def ask(act: str) -> float:
                print(act, file=questions, flush=True)
                return float(answers.readline())

            if answers.readline() != "ready\n":
                raise SystemExit("cannot run the benchmark: its container does not get ready; its words are above")
            yield ask
            questions.close()


def measure() -> dict[str, Series]:
    """Seconds of each act under each profile, as ``ACT PROFILE``; the profiles take turns, an act at a time."""
    options = {
        "none": ["--security-opt=seccomp=unconfined"],
        "docker": [],
        **{level: [f"--security-opt=seccomp={path}"] for level, path in PROFILES.items()},
    }
    acts = (*ACTS, OPEN)
    seconds: dict[str, list[float]] = {f"{act} {name}": [] for act in acts for name in options}
    with ExitStack() as stack:
        host = stack.enter_context(box.host())
        owning = ["--rm", "--user=0", f"--volume={VOLUME}", box.IMAGE]
        host.docker("run", *owning, "chown", "1000:1000", VOLUME.partition(":")[2])
        asks = {name: stack.enter_context(bench(host, *option)) for name, option in options.items()}
        for turn in range(-WARM_UP, REPEATS):
            names = list(asks)
            first = turn % len(names)
            for act in acts:
                for name in names[first:] + names[:first]:
                    spent = asks[name](act)
                    if turn >= 0:
                        seconds[f"{act} {name}"].append(spent)
    return {name: Series(name, tuple(values)) for name, values in seconds.items()}


def by_turns(ours: Series, theirs: Series) -> float:
    """The median of the turns' ratios: the two of a turn are neighbours in time, and share what the machine does."""
    return statistics.median(one / other for one, other in zip(ours.values, theirs.values, strict=True))


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
        **{f"{act}_vs_docker_default": by_turns(series[f"{act} standard"], series[f"{act} docker"]) for act in ACTS},
        f"{OPEN}_vs_docker_default": by_turns(series[f"{OPEN} standard"], series[f"{OPEN} docker"]),
        **{f"{act}_vs_none": by_turns(series[f"{act} standard"], series[f"{act} none"]) for act in ACTS},
        **{
            f"{act}_strict_vs_docker_default": by_turns(series[f"{act} strict"], series[f"{act} docker"])
            for act in ACTS
        },
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
