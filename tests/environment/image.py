# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment's image, on a Docker daemon of this machine's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import yaml
from faults.machine import ROOT

DEFINITION = ROOT / "deployment" / "execution-environment" / "execution-environment.yml"
IMAGE = "bulkhead-workspace-ee"
#: The builder reaches the package mirrors as this machine does: with its certificates and its settings of pip.
_BORROWED = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")


def build(url: str, folder: Path) -> None:
    """Build the definition's image on the daemon at `url`; files are left in `folder`."""
    environment = {**os.environ, "DOCKER_HOST": url, "DOCKER_BUILDKIT": "0"}
    _base(yaml.safe_load(DEFINITION.read_text())["images"]["base_image"]["name"], folder / "base", environment)
    subprocess.run([ROOT / "release" / "build"], check=True, stdout=subprocess.DEVNULL)
    builder = str(ROOT / ".venv" / "bin" / "ansible-builder")
    place = ["--file", str(DEFINITION), "--context", str(folder / "context"), "--extra-build-cli-args=--network host"]
    subprocess.run(
        [builder, "build", "--container-runtime", "docker", "--tag", IMAGE, *place], check=True, env=environment
    )


def _base(name: str, folder: Path, environment: dict[str, str]) -> None:
    """Debian from its packages, under the name that the definition starts from: no image registry is asked."""
    folder.mkdir()
    release = name.rpartition(":")[2].removesuffix("-slim")
    archive = folder / "base.tar"
    options = ["--quiet", "--variant=minbase", "--include=ca-certificates"]
    subprocess.run(["mmdebstrap", *options, release, str(archive)], check=True)
    subprocess.run(["docker", "import", archive, "plain"], check=True, env=environment, stdout=subprocess.DEVNULL)
    archive.unlink()
    lines = ["FROM plain"]
    for file in map(Path, _BORROWED):
        if file.exists():
            shutil.copy(file, folder)
            lines.append(f"COPY {file.name} {file}")
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    subprocess.run(["docker", "build", "--quiet", "--tag", name, folder], check=True, env=environment)
