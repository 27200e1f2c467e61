# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into a disk image, and the digest that names the result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vm.errors import VmError

DISK_SIZE = "40G"
"""Size of the (sparse) root disk: room for a 20 GiB XFS loop file beside the system."""

_GUEST_SETUP = Path(__file__).with_name("guest-setup.sh")

# Installed, but not configured and not started: the roles meet a host as an administrator has just installed it.
_PACKAGES = (
    "apparmor",
    "apparmor-utils",
    "auditd",
    "busybox-static",
    "ca-certificates",
    "curl",
    "dbus",
    "docker.io",
    "initramfs-tools",
    "iproute2",
    "iptables",
    "kmod",
    "libseccomp2",
    "linux-image-cloud-amd64",
    "logrotate",
    "openssh-server",
    "openssl",
    "procps",
    "python3",
    "python3-apt",
    "python3-docker",
    "rsync",
    "socat",
    "sudo",
    "systemd-sysv",
    "udev",
    "xfsprogs",
    "zstd",
)
# The docker command is a package of its own since Debian 13, and gVisor came with it.
_PACKAGES_OF_RELEASE = {"bookworm": (), "trixie": ("docker-cli", "runsc")}


@dataclass(frozen=True)
class Recipe:
    """All that decides what is in an image. The digest of it names the image in the cache."""

    release: str
    packages: tuple[str, ...]
    guest_setup: str
    payload: str
    disk_size: str = DISK_SIZE

    @property
    def name(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return f"{self.release}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def recipe(release: str, payload_digest: str) -> Recipe:
    """The recipe of a Debian release; ``payload_digest`` stands for the workspace image that is copied in."""
    if release not in _PACKAGES_OF_RELEASE:
        known = ", ".join(sorted(_PACKAGES_OF_RELEASE))
        raise VmError(f"cannot bake '{release}': no recipe for this release; use one of: {known}")
    return Recipe(
        release=release,
        packages=tuple(sorted(_PACKAGES + _PACKAGES_OF_RELEASE[release])),
        guest_setup=_GUEST_SETUP.read_text(),
        payload=payload_digest,
    )
