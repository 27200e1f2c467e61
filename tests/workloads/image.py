# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that the workloads run in: the workspace image's packages and set-up, compilers and the agent added.

Its one layer is a disk of two gigabytes, because copying that into a machine would take minutes. Docker gets an image
with an empty layer, over which the disk is mounted before a container uses it.

    python3 tests/workloads/image.py

builds it unless it is in the cache, and prints the folder (build/workloads/current leads there) with tree/, as an image
has its files, and disk.img, as a host with userns-remap keeps them.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path.insert(0, str(CHECKOUT / "molecule" / "shared"))

from vm.debian import WITHOUT_DOCUMENTS, unpack  # noqa: E402
from vm.errors import VmError  # noqa: E402
from vm.locks import one_at_a_time  # noqa: E402
from vm.shell import as_root, run  # noqa: E402

CACHE = Path(os.environ.get("BULKHEAD_WORKLOADS_CACHE", CHECKOUT / "build" / "workloads"))
RELEASE = "trixie"
AGENT = "@anthropic-ai/claude-code-linux-x64@2.1.330"
REMAPPED = 100000
"""Owner 0 of a container is this one on a host with userns-remap; the collection's default."""

_WORKSPACE_IMAGE = CHECKOUT / "deployment" / "image"
_INGREDIENTS = (
    _WORKSPACE_IMAGE / "packages.txt",
    _WORKSPACE_IMAGE / "setup.sh",
    HERE / "packages.txt",
    HERE / "shift_owners.py",
    HERE / "image.py",
)


def build() -> Path:
    """The image's folder, made unless it is in the cache."""
    folder = CACHE / _digest()
    CACHE.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(CACHE / "lock"):
        if not folder.exists():
            for older in CACHE.glob("[0-9a-f]*"):
                run("clear the older image", as_root(["rm", "-rf", str(older)]))
            _make(folder)
        current = CACHE / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(folder.name)
    return folder


def packages(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _digest() -> str:
    digest = hashlib.sha256()
    for ingredient in _INGREDIENTS:
        digest.update(ingredient.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _make(folder: Path) -> None:
    work = folder.with_suffix(".part")
    work.mkdir()
    tree = work / "tree"
    act = "build the image of the workloads"
    unpack(
        act,
        RELEASE,
        tree,
        packages(_WORKSPACE_IMAGE / "packages.txt") + packages(HERE / "packages.txt"),
        # Java's packages register pages of the manual, and fail where the folder for them is missing.
        options=[*WITHOUT_DOCUMENTS, '--essential-hook=mkdir -p "$1/usr/share/man/man1"'],
        hooks=[
            f'install -m 0755 {_WORKSPACE_IMAGE}/setup.sh "$1/srv/workspace-setup"',
            'chroot "$1" /srv/workspace-setup',
            'rm "$1/srv/workspace-setup"',
            # Tests and descriptions of Go's own library: a tenth of the image, and nothing here reads them.
            'rm -rf "$1"/usr/share/go-*/test "$1"/usr/share/go-*/api',
        ],
    )
    _add_agent(act, work, tree)
    shifted = work / "shifted"
    run(act, as_root(["cp", "--archive", str(tree), str(shifted)]))
    run(act, as_root([sys.executable, str(HERE / "shift_owners.py"), str(shifted), str(REMAPPED)]))
    mebibytes = int(run(act, as_root(["du", "--summarize", "--block-size=1M", str(shifted)])).split()[0])
    disk = work / "disk.img"
    # No journal and no reserve: it is never written to.
    shape = ["-q", "-F", "-L", "workloads", "-O", "^has_journal", "-m", "0", "-N", "200000"]
    run(act, as_root(["mkfs.ext4", *shape, "-d", str(shifted), str(disk), f"{mebibytes * 5 // 4}M"]))
    run(act, as_root(["rm", "-rf", str(shifted)]))
    disk.chmod(0o444)
    work.rename(folder)


def _add_agent(act: str, work: Path, tree: Path) -> None:
    """The agent's program, in the tree that user code cannot write. The tree's own npm fetches it."""
    fetched = work / "fetched"
    fetched.mkdir()
    settings = [path.read_text() for path in (Path("/etc/npmrc"), Path.home() / ".npmrc") if path.exists()]
    (fetched / "npmrc").write_text("\n".join(settings))
    machine = [path for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs") if Path(path).exists()]
    box = ["bwrap", "--ro-bind", str(tree), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    box += [word for path in machine for word in ("--ro-bind", path, path)]
    box += ["--bind", str(fetched), "/srv", "--chdir", "/srv", "--setenv", "HOME", "/srv"]
    box += ["--setenv", "NPM_CONFIG_USERCONFIG", "/srv/npmrc"]
    box += ["--setenv", "NODE_EXTRA_CA_CERTS", "/etc/ssl/certs/ca-certificates.crt"]
    name = run(act, as_root([*box, "npm", "pack", "--silent", AGENT])).splitlines()[-1]
    target = tree / "opt" / "claude"
    run(act, as_root(["mkdir", "-p", str(target)]))
    unpacking = ["--no-same-owner", "--strip-components=1", "--directory", str(target), "package/claude"]
    run(act, as_root(["tar", "--extract", "--file", str(fetched / name), *unpacking]))
    run(act, as_root(["rm", "-rf", str(fetched)]))


if __name__ == "__main__":
    try:
        print(build())
    except VmError as error:
        sys.exit(str(error))
