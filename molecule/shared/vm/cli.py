# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: bake, up, down, reboot, save, restore, ssh, status, list."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from vm import lifecycle
from vm.bake import bake
from vm.errors import VmError
from vm.supervisor import supervise

_RELEASES = ("trixie", "bookworm")
_MEMORY_MIB = 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 1 where it could not be done, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    # A polite request to end clears up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(options.run(options) or 0)
    except VmError as error:
        print(f"vm: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("vm: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vm", description="Disposable virtual machines for tests and demo.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    verb = verbs.add_parser("bake", help="make the disk image of a release, if it is not in the cache")
    verb.add_argument("--release", choices=_RELEASES, default=_RELEASES[0])
    verb.set_defaults(run=lambda o: print(bake(o.release, _say).folder))

    verb = verbs.add_parser("up", help="boot a fresh machine; an older one of the same name is ended")
    verb.add_argument("name")
    verb.add_argument("--release", choices=_RELEASES, default=_RELEASES[0])
    verb.add_argument("--memory", type=int, default=_MEMORY_MIB, metavar="MIB")
    verb.add_argument("--owner", type=int, metavar="PID", help="end the machine when this process has ended")
    verb.add_argument("--disk", type=Path, metavar="FILE", help="a second disk, read-only")
    verb.add_argument("--without", choices=["uml"], help="an engine that cannot do what the machine is for")
    verb.set_defaults(run=_up)

    verb = verbs.add_parser("down", help="end a machine and delete it")
    verb.add_argument("name", nargs="?")
    verb.add_argument("--all", action="store_true", help="every machine of this checkout")
    verb.set_defaults(run=_down)

    verb = verbs.add_parser("reboot", help="reboot a machine with its disk kept")
    verb.add_argument("name")
    verb.set_defaults(run=lambda o: lifecycle.reboot(o.name, _say))

    verb = verbs.add_parser("save", help="keep a copy of a machine's disk; the machine reboots")
    verb.add_argument("name")
    verb.set_defaults(run=lambda o: lifecycle.save(o.name, _say))

    verb = verbs.add_parser("restore", help="reboot a machine with its disk as it was saved")
    verb.add_argument("name")
    verb.set_defaults(run=lambda o: lifecycle.restore(o.name, _say))

    verb = verbs.add_parser("ssh", help="log in, or run a command")
    verb.add_argument("name")
    verb.add_argument("command", nargs=argparse.REMAINDER)
    verb.set_defaults(run=lambda o: lifecycle.run_ssh(o.name, o.command[1:] if o.command[:1] == ["--"] else o.command))

    verb = verbs.add_parser("status", help="the facts of a machine, as JSON")
    verb.add_argument("name")
    verb.set_defaults(run=_status)

    verb = verbs.add_parser("list", help="every machine of this checkout")
    verb.set_defaults(run=_list)

    verb = verbs.add_parser("supervise")  # internal: the process that holds a machine
    verb.add_argument("name")
    verb.add_argument("--listen-fd", type=int, default=-1)
    verb.add_argument("--owner", type=int)
    verb.set_defaults(run=lambda o: supervise(o.name, listen_fd=o.listen_fd, owner=o.owner))
    return parser


def _say(line: str) -> None:
    print(f"vm: {line}", file=sys.stderr, flush=True)


def _up(options: argparse.Namespace) -> None:
    lifecycle.up(
        options.name,
        release=options.release,
        memory_mib=options.memory,
        owner=options.owner,
        disk=options.disk,
        without=options.without,
        say=_say,
    )


def _down(options: argparse.Namespace) -> None:
    if options.all == (options.name is not None):
        raise VmError("cannot end machines: give one name, or --all")
    names = [machine.name for machine in lifecycle.machines()] if options.all else [options.name]
    for name in names:
        _say(f"{name}: ended" if lifecycle.down(name) else f"{name}: there was none")


def _status(options: argparse.Namespace) -> int:
    known = lifecycle.status(options.name)
    print(json.dumps({**known.facts, "running": known.running, "ssh": lifecycle.ssh_command(known.name)}, indent=2))
    return 0 if known.running else 3


def _list(_options: argparse.Namespace) -> None:
    for known in lifecycle.machines():
        state = "running" if known.running else "ended"
        facts = known.facts
        print(f"{known.name:<24} {state:<8} {facts['engine']:<4} {facts['release']:<9} port {facts['port']}")
