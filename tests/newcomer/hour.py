# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make long-newcomer`: the pages in the order in which somebody reads them, each chapter on a fresh machine."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faults.machine import ROOT, Machine, machine

from . import judgement, surroundings
from .page import steps
from .person import Person

os.environ["BULKHEAD_RGW_HOME"] = str(ROOT / "build" / "newcomer-rgw")

from rgw import client, cluster

MACHINE = "newcomer"
# User-mode Linux has no netfilter: Docker as it comes does not start there, and the way back leads to that.
WITHOUT_NETFILTER = """mkdir -p /etc/docker
echo '{"bridge": "none", "iptables": false, "ip6tables": false}' >/etc/docker/daemon.json"""
# The machines of the tests have an image on their disk.
HANDS = {"docker save": "docker load --quiet --input /srv/images/workspace.tar"}


@dataclass(frozen=True)
class Chapter:
    """Pages that build on each other, what their reader brings along, and what the host has been told before."""

    pages: tuple[str, ...]
    bring: Callable[[Path], None]
    judge: Callable[[Path, Machine], str] | None = None
    before: str = "true"


def _for_the_first_roll_out(desk: Path) -> None:
    surroundings.release_file(desk)
    server = cluster.up()
    client.ensure_bucket(client.connect(server), surroundings.BUCKET)
    wishes: dict[str, Any] = {
        "s3_lifecycle_bucket": surroundings.BUCKET,
        "s3_lifecycle_endpoint_url": server.endpoint_url,
        "s3_lifecycle_access_key": server.access_key,
        "s3_lifecycle_secret_key": server.secret_key,
        # Ceph's gateway drops filters on size, which the role would notice and refuse.
        "s3_lifecycle_archive_minimum_bytes": 0,
    }
    surroundings.inventory(desk, wishes)


CHAPTERS = {
    "quick-start": Chapter(("docs/quick-start.md",), surroundings.release_file),
    "first-roll-out": Chapter(
        (
            "README.md",
            "docs/guide-rotate-credentials.md",
            "docs/guide-rollout.md",
            "docs/guide-proxy.md",
            "docs/guide-monitoring.md",
            "docs/guide-emergency.md",
            "docs/guide-volumes.md",
            "docs/guide-profiles.md",
            "docs/guide-archive.md",
            "docs/guide-host-conversion.md",
        ),
        _for_the_first_roll_out,
        before=WITHOUT_NETFILTER,
    ),
    "without-ansible": Chapter(("deployment/README.md",), surroundings.checkout, judgement.by_the_collection),
}


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    finally:
        cluster.down()


def read(name: str, release: str, only: Sequence[str]) -> Person:
    """Read a chapter, or ``only`` those pages of it, on a fresh machine."""
    chapter = CHAPTERS[name]
    if only:
        chapter = replace(chapter, pages=tuple(page for page in chapter.pages if page in only))
    with (
        tempfile.TemporaryDirectory(prefix="newcomer-") as folder,
        machine(MACHINE, release) as host,
        _storage(),
    ):
        return _read(chapter, Path(folder), host)


def _read(chapter: Chapter, folder: Path, host: Machine) -> Person:
    desk = folder / "desk"
    desk.mkdir()
    chapter.bring(desk)
    host.check(chapter.before)
    person = Person(desk, surroundings.environment(folder, host), surroundings.words(), surroundings.HOSTS[0], HANDS)
    for page in chapter.pages:
        person.follow(page, steps((ROOT / page).read_text()))
    if chapter.judge:
        print(f"  judged: {chapter.judge(folder, host)}", flush=True)
    return person


def main() -> None:
    parser = argparse.ArgumentParser(prog="make long-newcomer", description=__doc__)
    parser.add_argument("chapters", nargs="*", default=list(CHAPTERS), help=f"of {', '.join(CHAPTERS)}")
    parser.add_argument("--pages", nargs="+", default=[], help="only these of a chapter's pages, for a part of it")
    parser.add_argument("--release", default="trixie", help="Debian's release")
    options = parser.parse_args()
    left: list[str] = []
    wrong: list[str] = []
    for name in options.chapters:
        print(f"newcomer: {name} on {options.release}", flush=True)
        began = time.monotonic()
        person = read(name, options.release, options.pages)
        left += person.left
        wrong += person.wrong
        minutes = (time.monotonic() - began) / 60
        print(f"newcomer: {name}: {person.commands} commands, {person.files} files, {minutes:.1f} minutes", flush=True)
    print(f"newcomer: {len(left)} blocks left to hands:", *left, sep="\n  ")
    if wrong:
        raise SystemExit("\n  ".join([f"newcomer: {len(wrong)} things are not as the pages say:", *wrong]))


if __name__ == "__main__":
    main()
