# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last release of the collection, built from its commit and installed beside the checkout."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

from faults.machine import ROOT, ansible_environment

# The commit that wrote the changelog of 1.0.0.
COMMIT = "1da75cae2c4c13d0d2cb1c58f730998b572fa77d"
VERSION = "1.0.0"


def install(folder: Path) -> dict[str, str]:
    """Build and install it below `folder`; the environment in which Ansible finds it, and not the checkout's."""
    environment = {
        **ansible_environment(),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
    }
    source = folder / "source"
    source.mkdir()
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", COMMIT], capture_output=True, check=False)
    if packed.returncode != 0:
        raise SystemExit(f"cannot build {VERSION}: {packed.stderr.decode().strip()}; fetch the whole history")
    archive = folder / "source.tar"
    archive.write_bytes(packed.stdout)
    with tarfile.open(archive) as tar:
        tar.extractall(source, filter="data")
    tarball = folder / f"bulkhead-workspace-{VERSION}.tar.gz"
    for command in (
        ["collection", "build", "--output-path", str(folder), str(source)],
        ["collection", "install", "--collections-path", str(folder / "collections"), str(tarball)],
    ):
        done = subprocess.run(
            ["ansible-galaxy", *command], capture_output=True, text=True, env=environment, cwd=os.fspath(folder)
        )
        if done.returncode != 0:
            raise SystemExit(f"cannot install {VERSION}: {done.stdout}{done.stderr}")
    return environment
