# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a container: makes the workloads' material, then times one each time it is named on standard input.

Seconds of processor time, own and children's: a filter costs nothing else, and other work on the machine is left out.
It stays, and answers each line (getppid, open, git or python) with a line, so that the containers can take turns
quickly. The material lies on a volume that they share: one of several copies might be quicker to read than the others.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HOME = Path("/bench")
CALLS = 500_000
OPENS = 50_000
LOOP = f"""
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **words) {{
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    if (count == 1)
        for (int i = 0; i < {CALLS}; i++) syscall(SYS_getppid);
    else
        for (int i = 0; i < {OPENS}; i++) close(openat(AT_FDCWD, words[0], O_RDONLY));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    printf("%.9f", (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9);
}}
"""


def git(*arguments: str) -> None:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", *settings, "-C", str(HOME / "repository"), *arguments], check=True, stdout=subprocess.DEVNULL
    )


def prepare() -> None:
    (HOME / "repository").mkdir()
    (HOME / "loop.c").write_text(LOOP)
    subprocess.run(["gcc", "-O2", "-o", str(HOME / "loop"), str(HOME / "loop.c")], check=True)
    for number in range(3000):
        file = HOME / "repository" / f"{number % 60}" / f"file-{number}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{number}\n" * 20)
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")


def loop(*words: str) -> float:
    return float(subprocess.run([str(HOME / "loop"), *words], check=True, capture_output=True).stdout)


def used() -> float:
    spent = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def timed(act: Callable[[], object]) -> float:
    before = used()
    act()
    return used() - before


def use_git() -> None:
    for _ in range(2):
        git("status", "--short")
        git("log", "--oneline", "--stat")


def use_python() -> None:
    for _ in range(4):
        subprocess.run(["python3", "-c", "import json, subprocess, tempfile"], check=True)
    for folder, _, files in os.walk(HOME / "repository"):
        for name in files:
            (Path(folder) / name).stat()


ACTS: dict[str, Callable[[], float]] = {
    "getppid": loop,
    "open": lambda: loop("open"),
    "git": lambda: timed(use_git),
    "python": lambda: timed(use_python),
}


def main() -> None:
    if not (HOME / "repository").exists():
        prepare()
    print("ready", flush=True)
    for line in sys.stdin:
        print(ACTS[line.strip()](), flush=True)


if __name__ == "__main__":
    main()
