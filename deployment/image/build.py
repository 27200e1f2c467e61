# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the workspace image from Debian packages, with neither a registry nor a Docker daemon.

Prints the path of a docker archive for ``docker load``, named by the digest of what it was made from. The Dockerfile in
this folder makes the same image for people who have a registry; packages, set-up and entry point are shared.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "molecule" / "shared"))

from vm.debian import WITHOUT_DOCUMENTS, unpack  # noqa: E402
from vm.errors import VmError  # noqa: E402

CACHE = Path(os.environ.get("BULKHEAD_IMAGE_CACHE", HERE.parents[1] / "build" / "images"))
RELEASE = "trixie"
TAG = "bulkhead/workspace:demo"
INGREDIENTS = ("packages.txt", "setup.sh", "workspace-entrypoint")

# The same in the Dockerfile; a test compares them.
CONFIG: dict[str, Any] = {
    "User": "1000:1000",
    "WorkingDir": "/workspace",
    "Env": [
        "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME=/home/appuser",
        "LANG=C.UTF-8",
    ],
    "Entrypoint": ["/usr/local/bin/workspace-entrypoint"],
    "Cmd": ["sleep", "infinity"],
}


def main() -> int:
    """Build the archive unless it is in the cache, and print its path."""
    archive = CACHE / f"{_digest()}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            layer = Path(work) / "layer.tar"
            _make_layer(layer)
            part = Path(work) / "archive.tar"
            _write_archive(layer, part)
            part.rename(archive)
        for other in CACHE.glob("*.tar"):
            if other != archive:
                other.unlink()
    print(archive)
    return 0


def packages() -> list[str]:
    """The Debian packages of the image, in order."""
    lines = (HERE / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _digest() -> str:
    digest = hashlib.sha256(json.dumps(CONFIG, sort_keys=True).encode())
    for name in INGREDIENTS:
        digest.update((HERE / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _make_layer(layer: Path) -> None:
    """The root file system as one layer. mmdebstrap checks signatures and, as root, needs no container."""
    unpack(
        "build the workspace image",
        RELEASE,
        layer,
        packages(),
        options=WITHOUT_DOCUMENTS,
        hooks=[
            f'install -m 0755 {HERE}/workspace-entrypoint "$1/usr/local/bin/"',
            f'install -m 0755 {HERE}/setup.sh "$1/setup.sh"',
            'chroot "$1" /setup.sh',
            'rm "$1/setup.sh"',
        ],
    )


def _write_archive(layer: Path, archive: Path) -> None:
    """The layout that ``docker save`` writes: manifest, configuration, layers."""
    with layer.open("rb") as file:
        diff_id = hashlib.file_digest(file, "sha256").hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": CONFIG,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
            "history": [{"created_by": "deployment/image/build.py"}],
        },
        sort_keys=True,
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [TAG], "Layers": [f"{diff_id}/layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, config_name, config)
        tar.add(layer, f"{diff_id}/layer.tar", filter=_anonymous)
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VmError as error:
        sys.exit(str(error))
