# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five lifecycle rules on Ceph's RGW beside community.aws.s3_lifecycle: `make bench-lifecycle`.

Both with the same ansible-core, Python and boto3: first on a bucket without rules, then again when nothing is to be
done. What is compared is the time of the tasks, from the beginning of the first to the end of the last, as Ansible's
JSON output has it; the whole program, whose start costs both the same, is kept beside it. The requests are those that
the server has logged.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for folder in ("tests", "benchmarks"):
    sys.path.insert(0, str(ROOT / folder))

import peers  # noqa: E402  the path above leads to it
from frame import Series, publish, ratio  # noqa: E402
from lifecycle_support.plays import PLAYS, RULES  # noqa: E402
from rgw import client, cluster  # noqa: E402

REPEATS = 5
NAMES = ("ours", "community")
RUNS = ("first", "nochange")


@dataclass(frozen=True)
class Run:
    """Seconds of the tasks alone and of the whole program, and whether anything was changed."""

    tasks: float
    whole: float
    changed: bool


class Bench:
    """One server, and the bucket that each contender has in hand."""

    def __init__(self, server: cluster.Cluster, home: Path) -> None:
        self._server = server
        self._home = home
        for name, play in PLAYS.items():
            (home / f"{name}.json").write_text(json.dumps(play))
        self._s3 = client.connect(server)
        self._made = 0
        self._buckets: dict[str, str] = {}

    def new_bucket(self, name: str) -> None:
        """With versioning, which only ours would switch on."""
        self._made += 1
        self._buckets[name] = f"bench-{self._made}"
        self._s3.create_bucket(Bucket=self._buckets[name])
        self._s3.put_bucket_versioning(Bucket=self._buckets[name], VersioningConfiguration={"Status": "Enabled"})

    def play(self, name: str) -> Run:
        """One run of the contender's playbook on its bucket."""
        facts = {**self._server.shown(), "bucket": self._buckets[name]}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-e", json.dumps(facts)]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, str(self._home / f"{name}.json")],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.ansible' / 'collections'}:{peers.collections()}",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
        )
        whole = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"cannot measure {name}: the playbook failed:\n{done.stdout}{done.stderr}")
        tasks = json.loads(done.stdout)["plays"][0]["tasks"]
        first, last = tasks[0]["task"]["duration"]["start"], tasks[-1]["task"]["duration"]["end"]
        return Run(
            tasks=(datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds(),
            whole=whole,
            changed=any(task["hosts"]["localhost"]["changed"] for task in tasks),
        )

    def insist(self, name: str, *, changed: bool) -> None:
        """That a run did what the benchmark is about."""
        run = self.play(name)
        rules = self._s3.get_bucket_lifecycle_configuration(Bucket=self._buckets[name])["Rules"]
        if run.changed != changed or len(rules) != len(RULES):
            raise SystemExit(f"cannot measure {name}: it left {len(rules)} rules, changed={run.changed}")

    def requests(self, act: Callable[[], object]) -> int:
        """How many requests the server gets meanwhile."""
        log = cluster.STATE / "client.rgw.log"
        before = log.read_text().count(" beast: ")
        act()
        return log.read_text().count(" beast: ") - before


def count_requests(bench: Bench) -> dict[str, dict[str, int]]:
    """Of each contender's first run and the one after it, which are checked on this occasion."""
    requests: dict[str, dict[str, int]] = {}
    for name in NAMES:
        bench.new_bucket(name)
        # The look at the rules is one request of our own.
        requests[name] = {
            run: bench.requests(functools.partial(bench.insist, name, changed=run == "first")) - 1 for run in RUNS
        }
    return requests


def measure(bench: Bench) -> dict[str, Series]:
    """Seconds by 'CONTENDER RUN' and 'CONTENDER RUN, whole'; the contenders take turns."""
    seconds: dict[str, list[float]] = {}
    for turn in range(-1, REPEATS):
        for name in NAMES:
            bench.new_bucket(name)
        for run in RUNS:
            for name in NAMES:
                result = bench.play(name)
                if turn >= 0:
                    seconds.setdefault(f"{name} {run}", []).append(result.tasks)
                    seconds.setdefault(f"{name} {run}, whole", []).append(result.whole)
    return {name: Series(name, tuple(values)) for name, values in seconds.items()}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-lifecycle-") as home:
        cluster.STATE = Path(home) / "rgw"
        try:
            bench = Bench(cluster.up(), Path(home))
            requests, series = count_requests(bench), measure(bench)
        finally:
            cluster.down()
    limits = {"first_vs_community": "<= 0.3", "nochange_vs_community": "<= 0.3"}
    publish(
        "lifecycle",
        list(series.values()),
        {
            f"{run}{key}_vs_community": ratio(series[f"ours {run}{of}"], series[f"community {run}{of}"])
            for key, of in (("", ""), ("_whole", ", whole"))
            for run in RUNS
        },
        wanted=limits,
        versions={"community.aws": peers.version("community.aws"), "amazon.aws": peers.version("amazon.aws")},
        notes=[
            f"requests of {name}: {found['first']} first, {found['nochange']} again" for name, found in requests.items()
        ],
        requests=requests,
    )


if __name__ == "__main__":
    main()
