# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking a disk image natively: no emulation, every package in it, cached by the digest of its recipe."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vm import paths
from vm.debian import WITHOUT_DOCUMENTS, unpack
from vm.errors import VmError
from vm.locks import one_at_a_time
from vm.recipe import Recipe, recipe
from vm.shell import as_root, run

_WORKSPACE_IMAGE = paths.CHECKOUT / "deployment" / "image" / "build.py"
_PAYLOAD_IN_GUEST = "srv/images/workspace.tar"
_UML_RUNTIME = "uml-runtime"


@dataclass(frozen=True)
class Image:
    """A baked image: read-only for ever, shared by all machines made from it."""

    folder: Path
    release: str

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def uml_runtime(self) -> Path:
        """A tree with the User-mode Linux binary and the C library that it needs (2.38 or newer)."""
        return self.folder.parent / _UML_RUNTIME

    @property
    def ssh_key(self) -> Path:
        return self.folder / "ssh_key"


def bake(release: str, say: Callable[[str], None]) -> Image:
    """The image of a release, baked if its recipe has not been baked before.

    :param release: Debian's code name.
    :param say: receives a line of progress.
    """
    payload = _workspace_archive(say)
    wanted = recipe(release, payload.stem)
    image = Image(paths.images() / wanted.name, release)
    image.folder.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(image.folder.parent / "lock"):
        _uml_runtime(say)
        if not image.folder.exists():
            _bake(image, wanted, payload, say)
    return image


def _workspace_archive(say: Callable[[str], None]) -> Path:
    """The demo's container image as a docker archive, named by its digest (``DIGEST.tar``)."""
    if not _WORKSPACE_IMAGE.exists():
        raise VmError(f"cannot bake an image: {_WORKSPACE_IMAGE} is missing; restore the checkout")
    say("workspace image: looking in the cache (building it takes about a minute)")
    return Path(run("build the workspace image", [sys.executable, str(_WORKSPACE_IMAGE)]).splitlines()[-1])


def _bake(image: Image, wanted: Recipe, payload: Path, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    work = image.folder.with_suffix(".part")
    run("clear the work folder", as_root(["rm", "-rf", str(work)]))
    work.mkdir()
    say(f"baking Debian {wanted.release}: {len(wanted.packages)} packages and what they need (about a minute)")
    run("make an ssh key", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f", str(work / "ssh_key")])
    setup = work / "guest-setup.sh"
    setup.write_text(wanted.guest_setup)
    setup.chmod(0o755)
    tree = work / "tree"
    modules = image.uml_runtime / "usr/lib/uml/modules"
    unpack(
        f"bake Debian {wanted.release}",
        wanted.release,
        tree,
        wanted.packages,
        options=WITHOUT_DOCUMENTS,
        hooks=[
            f'{setup} "$1"',
            'mkdir -p "$1/root/.ssh" "$1/srv/images"',
            f'cp {work}/ssh_key.pub "$1/root/.ssh/authorized_keys"',
            f'cp {payload} "$1/{_PAYLOAD_IN_GUEST}"',
            f'cp -a {modules}/. "$1/usr/lib/modules/"',
        ],
    )
    for found, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd.img")):
        source = next(iter((tree / "boot").glob(found)))
        run("keep the kernel", as_root(["install", "-m", "0644", str(source), str(work / name)]))
    say(f"baking Debian {wanted.release}: writing the disk")
    disk = work / "disk.img"
    # The folder's own owner is recorded, not the packer's: mkfs reads the tree as root and needs no loop device.
    run(
        "write the disk", as_root(["mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(tree), str(disk), wanted.disk_size])
    )
    run("clear the tree", as_root(["rm", "-rf", str(tree)]))
    run("hand over the image", as_root(["chown", "-R", f"{os.getuid()}:{os.getgid()}", str(work)]))
    disk.chmod(0o444)
    work.rename(image.folder)
    _forget_older(image)
    say(f"baked {image.folder.name} in {time.monotonic() - began:.0f} s")


def _uml_runtime(say: Callable[[str], None]) -> None:
    """User-mode Linux from Debian sid: 6.x of the stable releases panics at once on hosts with AMX.

    Fetched by apt with its signature checks. Only the age of the release file is not held against it, because mirrors
    may lag; what is signed stays signed.
    """
    folder = paths.images() / _UML_RUNTIME
    if folder.exists():
        return
    say("fetching User-mode Linux")
    work = folder.with_suffix(".part")
    run("clear the work folder", as_root(["rm", "-rf", str(work)]))
    unpack(
        "fetch User-mode Linux",
        "sid",
        work,
        ["user-mode-linux"],
        variant="extract",
        options=['--aptopt=Acquire::Check-Valid-Until "false"'],
    )
    run("hand over the runtime", as_root(["chown", "-R", f"{os.getuid()}:{os.getgid()}", str(work)]))
    work.rename(folder)


def _forget_older(image: Image) -> None:
    """Images of older recipes of the same release, unless a machine was made from them."""
    in_use = {link.resolve() for link in paths.machines().glob("*/image")}
    for other in image.folder.parent.glob(f"{image.release}-*"):
        if other != image.folder and other.resolve() not in in_use:
            shutil.rmtree(other, ignore_errors=True)
