# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: `python3 tests/rgw up|down|status|age BUCKET DAYS`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from . import cluster
from .process import HarnessError


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="rgw", description="An S3 server on the loopback interface, for tests.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start it unless it runs; print endpoint and keys as JSON")
    up.add_argument("--seconds-a-day", type=int, default=cluster.REAL_DAYS, help="run the rules on a quicker clock")
    verbs.add_parser("down", help="end it and forget its data")
    verbs.add_parser("status", help="print endpoint and keys as JSON; exit 1 when it does not run")
    age = verbs.add_parser("age", help="run a bucket's lifecycle rules as on a later day")
    age.add_argument("bucket")
    age.add_argument("days", type=int)
    options = parser.parse_args(arguments)
    try:
        return _do(options)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _do(options: argparse.Namespace) -> int:
    if options.verb == "up":
        print(json.dumps(cluster.up(seconds_a_day=options.seconds_a_day).shown()))
    elif options.verb == "down":
        print("ended" if cluster.down() else "was not running")
    elif options.verb == "age":
        cluster.age(options.bucket, options.days)
    else:
        present = cluster.load()
        if not present or not present.healthy:
            print("not running", file=sys.stderr)
            return 1
        print(json.dumps(present.shown()))
    return 0
