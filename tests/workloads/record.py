# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces a workload in a plain container, and prints the calls and paths that the profiles would refuse it.

    make record WORKLOAD=git                                 one of the matrix
    make record WORKLOAD=my-tool.sh                          a program of your own, .sh or .py
    make record WORKLOAD=my-tool.sh ARCHIVE=image.tar        in an image of your own, as `docker save` writes it

The container has no seccomp and no AppArmor profile, so nothing is refused and everything is seen; strace runs outside.
Exit 1 where something is missing, 2 where the workload fails.
"""

from __future__ import annotations

import argparse
import errno
import json
import posixpath
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "molecule/shared", "roles/apparmor/files")]

import apparmor_denials  # noqa: E402

from workloads import box, judge, trace  # noqa: E402

SECCOMP = {
    "standard": ROOT / "deployment" / "seccomp" / "workspace-seccomp.json",
    "strict": ROOT / "deployment" / "seccomp" / "workspace-seccomp-strict.json",
}
APPARMOR = ROOT / "deployment" / "apparmor" / "workspace-container"
_NUMBERED = re.compile(r"^/proc/(\d+|self|thread-self)(?=/)")
_THROUGH_DESCRIPTOR = re.compile(r"^/proc/1/fd/\d+/")
_ATTACH_SECONDS = 20


def traced(host: box.Host, path: Path, image: str, log: Path) -> int:
    """Runs a program as the first process of a container under strace, which writes to ``log``; its exit code."""
    options = [option for option in box.OPTIONS if option != "--init"]
    waiting = ["bash", "-c", 'read -r _ && exec "$@"', "waiting", *box.launch(path)]
    made = host.docker("create", "--interactive", *options, "--security-opt=seccomp=unconfined", image, *waiting)
    if made.returncode != 0:
        raise SystemExit(f"cannot record {path}: {made.stderr.strip()}")
    container = made.stdout.strip()
    with subprocess.Popen(
        ["docker", "start", "--attach", "--interactive", container],
        env=host.environment(),
        stdin=subprocess.PIPE,
        stdout=sys.stderr,
        text=True,
    ) as running:
        first = _first_process(host, container)
        tracer = subprocess.Popen(["strace", *trace.OPTIONS, "-o", str(log), "-p", str(first)], stderr=subprocess.PIPE)
        deadline = time.monotonic() + _ATTACH_SECONDS
        while "TracerPid:\t0" in Path(f"/proc/{first}/status").read_text(encoding="utf-8"):
            if tracer.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("cannot record: strace does not attach; run as root, on a machine that allows ptrace")
            time.sleep(0.05)
        running.communicate("go\n" + path.read_text(encoding="utf-8"))
        tracer.communicate()
    return running.returncode


def _first_process(host: box.Host, container: str) -> int:
    deadline = time.monotonic() + _ATTACH_SECONDS
    while time.monotonic() < deadline:
        pid = int(host.docker("inspect", "--format", "{{.State.Pid}}", container).stdout)
        if pid:
            return pid
        time.sleep(0.05)
    raise SystemExit("cannot record: the container does not start; try it by hand with docker run")


def missing_calls(made: Iterable[trace.Call], profile: dict[str, Any]) -> dict[str, tuple[int | str, int]]:
    """Calls that the profile would answer with an errno -> the errno's number and how often."""
    found: dict[str, tuple[int | str, int]] = {}
    for call in made:
        answer = judge.decide(profile, call.name, *call.numbers())
        if answer != "allow":
            found[call.name] = (answer, found.get(call.name, (answer, 0))[1] + 1)
    return found


def missing_paths(made: Iterable[trace.Call], text: str) -> dict[tuple[str, str], int]:
    """File accesses (path, letters) that the profile would refuse, and how often."""
    found: Counter[tuple[str, str]] = Counter()
    for call in made:
        seen = trace.access(call)
        if seen:
            folder = "/" if seen[0].endswith("/") and seen[0] != "/" else ""
            path = _NUMBERED.sub("/proc/1", posixpath.normpath(seen[0]) + folder)
            letters = judge.missing(text, path, seen[1])
            # A folder that was opened without saying so, or reached through a descriptor: its own path tells.
            folder_read = letters == "r" and not judge.missing(text, path + "/", "r")
            if letters and not folder_read and not _THROUGH_DESCRIPTOR.match(path):
                found[path, letters] += 1
    return dict(found)


def report(name: str, made: list[trace.Call]) -> bool:
    """Prints what is missing, with the lines that would allow it; False where nothing is."""
    distinct = {call.name for call in made}
    accesses = {seen for call in made if (seen := trace.access(call))}
    print(f"{name}: {len(made)} calls of {len(distinct)} kinds, {len(accesses)} file accesses")
    refused: set[str] = set()
    for level, file in SECCOMP.items():
        profile = json.loads(file.read_text(encoding="utf-8"))
        lacking = missing_calls(made, profile)
        hard = {call for call, (answer, _) in lacking.items() if answer != errno.ENOSYS}
        for call, (answer, times) in sorted(lacking.items()):
            how = "callers fall back" if answer == errno.ENOSYS else "a refusal"
            print(f"  seccomp {level}: {call} {times} times, answered {errno.errorcode[int(answer)]} ({how})")
        if level == "standard":
            refused = hard
            filtered = {call for rule in profile["syscalls"] if "args" in rule for call in rule["names"]}
            openable = sorted(hard - filtered)
            if openable:
                print(f"  to allow them: seccomp_extra_allowed: [{', '.join(openable)}]")
    paths = missing_paths(made, APPARMOR.read_text(encoding="utf-8"))
    for (path, letters), times in sorted(paths.items()):
        variable, value = apparmor_denials.variable(apparmor_denials.Access(path, letters))
        cure = f"{variable}: [{value}]" if variable else value
        print(f"  apparmor: {letters} {path} {times} times; {cure}")
    if not refused and not paths:
        print("  nothing is missing at level standard")
    return bool(refused or paths)


def main() -> int:
    parser = argparse.ArgumentParser(description="Traces a workload and prints what the profiles would refuse it.")
    parser.add_argument("workload", help="a name of the matrix, or the path of a .sh or .py program")
    parser.add_argument("--archive", type=Path, help="an image as `docker save` writes it, instead of the workloads'")
    parser.add_argument("--keep", type=Path, help="keep the trace in this file")
    options = parser.parse_args()
    path = box.program(options.workload)
    if not path.is_file():
        known = ", ".join(box.names())
        print(f"cannot record {options.workload}: no such workload or file; known are {known}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as work, box.host() as host:
        image = host.running.load(options.archive) if options.archive else box.IMAGE
        log = options.keep or Path(work) / "trace"
        code = traced(host, path, image, log)
        with log.open(encoding="utf-8", errors="replace") as lines:
            made = list(trace.calls(lines))
    missing = report(path.stem, made)
    if code != 0:
        print(f"the workload itself failed with {code}; what it did not reach was not recorded", file=sys.stderr)
        return 2
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
