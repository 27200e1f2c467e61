# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newcomer brings along: a fresh host, the release's file, an inventory with values of his own, a bucket."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from faults.machine import ROOT, Machine

IMAGE = "bulkhead/workspace:demo"
BUCKET = "newcomer-workspaces"
# The names and addresses that the pages print; all of them lead to the machine.
HOSTS = ("ws-1", "192.0.2.11", "203.0.113.11")
# What would steer the tools of this process, and not a newcomer's.
_FOREIGN = ("ANSIBLE_", "PYTHON", "VIRTUAL_ENV", "MOLECULE_", "BULKHEAD_", "MAKE")


def words() -> dict[str, str]:
    """What stands for the words in capitals."""
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    return {"YOUR-IMAGE": IMAGE, "VERSION": str(version)}


def environment(folder: Path, machine: Machine) -> dict[str, str]:
    """A home of his own, and an ssh that knows the host by the names that the pages print."""
    told = ROOT / "build" / "vm" / "machines" / machine.name / "ssh_config"
    _first, _newline, options = told.read_text().partition("\n")
    config = folder / "ssh_config"
    config.write_text(f"Host {' '.join(HOSTS)}\n{options}")
    programs, home = folder / "bin", folder / "home"
    programs.mkdir()
    home.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    ssh.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def release_file(desk: Path) -> None:
    """The tarball, as it would be downloaded."""
    done = subprocess.run(
        [str(ROOT / "tests" / "build-collection"), "build/newcomer"], capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode != 0:
        raise SystemExit(f"cannot build the collection: {done.stderr}")
    shutil.copy(done.stdout.strip(), desk)


def checkout(desk: Path) -> None:
    """What git knows, as somebody has it who cloned the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (desk / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, desk / name)


def inventory(desk: Path, storage: dict[str, Any]) -> None:
    """`inventories/production`, copied, with one host, a disk of its size, and the bucket."""
    copy = desk / "inventories" / "production"
    shutil.copytree(ROOT / "inventories" / "production", copy)
    hosts = yaml.safe_load((copy / "hosts.yml").read_text())
    del hosts["workspace_hosts"]["hosts"]["ws-2"]
    (copy / "hosts.yml").write_text(json.dumps(hosts))
    of_hosts, of_storage = copy / "group_vars" / "workspace_hosts", copy / "group_vars" / "workspace_storage"
    (of_hosts / "xfs_quota.yml").write_text(json.dumps({"xfs_quota_size": "20G"}))
    (of_storage / "s3_lifecycle.yml").write_text(json.dumps(storage))
