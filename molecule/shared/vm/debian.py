# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking a Debian tree natively, with apt's signature checks and neither a registry nor a container."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vm.mirror import debian_mirror
from vm.shell import as_root, run

# Half of a small tree would be what nothing in a machine or a container reads.
WITHOUT_DOCUMENTS = tuple(
    f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")
)


def unpack(
    act: str,
    release: str,
    target: Path,
    packages: Sequence[str],
    *,
    variant: str = "apt",
    options: Sequence[str] = (),
    hooks: Sequence[str] = (),
) -> None:
    """Put packages and what they need into a folder, or a tar archive where the target's name ends so.

    :param act: what is done, for the error: ``cannot ACT: ...``.
    :param variant: mmdebstrap's word for what comes along beside the packages.
    :param options: further options of mmdebstrap.
    :param hooks: shell commands that run when all is installed, with the tree as ``$1``.
    """
    command = ["mmdebstrap", f"--variant={variant}", "--quiet", *options, f"--include={','.join(packages)}"]
    command += [f"--customize-hook={hook}" for hook in hooks]
    command += [release, str(target), f"deb {debian_mirror()} {release} main"]
    run(act, as_root(command))
