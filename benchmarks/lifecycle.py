# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five lifecycle rules on Ceph's RGW beside community.aws.s3_lifecycle: `make bench-lifecycle`.

Both with the same ansible-core, Python and boto3, as a whole ansible-playbook, its start included: first on a bucket
without rules, then again when nothing is to be done. The requests are those that the server has logged.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for folder in ("tests", "benchmarks"):
    sys.path.insert(0, str(ROOT / folder))

import peers  # noqa: E402  the path above leads to it
from frame import Contender, Series, interleave, publish, ratio  # noqa: E402
from rgw import client, cluster  # noqa: E402

REPEATS = 7
PLAYBOOKS = ROOT / "benchmarks" / "lifecycle_support"
NAMES = ("ours", "community")
RULES = 5


class Bench:
    """One server, and the bucket that each contender has in hand."""

    def __init__(self, server: cluster.Cluster) -> None:
        self._server = server
        self._s3 = client.connect(server)
        self._made = 0
        self._buckets: dict[str, str] = {}

    def new_bucket(self, name: str) -> None:
        """With versioning, which only ours would switch on."""
        self._made += 1
        self._buckets[name] = f"bench-{self._made}"
        self._s3.create_bucket(Bucket=self._buckets[name])
        self._s3.put_bucket_versioning(Bucket=self._buckets[name], VersioningConfiguration={"Status": "Enabled"})

    def play(self, name: str) -> str:
        """The playbook's recap, such as 'ok=5 changed=5'."""
        facts = {**self._server.shown(), "bucket": self._buckets[name]}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-e", json.dumps(facts)]
        done = subprocess.run(
            [*command, str(PLAYBOOKS / f"{name}.yml")],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.ansible' / 'collections'}:{peers.collections()}",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
        )
        if done.returncode:
            raise SystemExit(f"cannot measure {name}: the playbook failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def insist(self, name: str, *, changed: bool) -> None:
        """That a run did what the benchmark is about."""
        found = re.search(r"changed=([0-9]+)", self.play(name))
        rules = self._s3.get_bucket_lifecycle_configuration(Bucket=self._buckets[name])["Rules"]
        if found is None or bool(int(found[1])) != changed or len(rules) != RULES:
            raise SystemExit(f"cannot measure {name}: it left {len(rules)} rules, and {found and found[0]}")

    def requests(self, act: Callable[[], object]) -> int:
        """How many requests the server gets meanwhile."""
        log = cluster.STATE / "client.rgw.log"
        before = log.read_text().count(" beast: ")
        act()
        return log.read_text().count(" beast: ") - before


def measure(bench: Bench) -> tuple[dict[str, Series], dict[str, dict[str, int]]]:
    requests: dict[str, dict[str, int]] = {}
    for name in NAMES:
        bench.new_bucket(name)
        # The check that the rules are there is one request of its own.
        first = bench.requests(lambda name=name: bench.insist(name, changed=True)) - 1  # type: ignore[misc]
        again = bench.requests(lambda name=name: bench.insist(name, changed=False)) - 1  # type: ignore[misc]
        requests[name] = {"first": first, "nochange": again}
    contenders = [
        Contender(f"{name} {run}", act=_act(bench, name), before=_before(bench, name, run))
        for run in ("first", "nochange")
        for name in NAMES
    ]
    return interleave(contenders, repeats=REPEATS), requests


def _act(bench: Bench, name: str) -> Callable[[], object]:
    return lambda: bench.play(name)


def _before(bench: Bench, name: str, run: str) -> Callable[[], object]:
    """A first run needs a new bucket; the run after it finds nothing to do."""
    return lambda: bench.new_bucket(name) if run == "first" else None


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-lifecycle-") as home:
        cluster.STATE = Path(home) / "rgw"
        try:
            series, requests = measure(Bench(cluster.up()))
        finally:
            cluster.down()
    limits = {"first_vs_community": "<= 0.3", "nochange_vs_community": "<= 0.3"}
    publish(
        "lifecycle",
        list(series.values()),
        {
            f"{run}_vs_community": ratio(series[f"ours {run}"], series[f"community {run}"])
            for run in ("first", "nochange")
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
