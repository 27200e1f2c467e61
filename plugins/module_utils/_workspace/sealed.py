# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Files that systemd-creds has encrypted for this host alone. Secrets go in and out by pipes, never as arguments."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import WorkspaceError

SUFFIX = ".cred"
_TOOL = "systemd-creds"
_SECONDS = 60
# Where systemd keeps the host's key; it takes none from a file system that a reboot empties.
_KEY_DIRECTORY = "/var/lib/systemd"


def seal(name: str, secret: bytes, *, variables: Mapping[str, str] | None = None) -> bytes:
    """Encrypt for this host, with the key that systemd chooses: the TPM's and the host's, as far as there are any."""
    return _run(f"cannot encrypt credential {name}", ["encrypt", f"--name={name}", "-", "-"], secret, variables)


def unseal(name: str, text: bytes, *, variables: Mapping[str, str] | None = None) -> bytes:
    """Decrypt what ``seal`` made on this host under this name."""
    return _run(f"cannot decrypt credential {name}", ["decrypt", f"--name={name}", "-", "-"], text, variables)


def read_secret(file: Path) -> bytes:
    """The secret in a file, which is encrypted if its name says so."""
    content = file.read_bytes()
    return unseal(file.name.removesuffix(SUFFIX), content) if file.name.endswith(SUFFIX) else content


def try_out() -> None:
    """Encrypt and decrypt something with a key that is thrown away, so that a check leaves no key on the host."""
    with tempfile.TemporaryDirectory(dir=_KEY_DIRECTORY) as directory:
        variables = {"SYSTEMD_CREDENTIAL_SECRET": f"{directory}/key"}
        if unseal("trial", seal("trial", b"trial", variables=variables), variables=variables) != b"trial":
            raise WorkspaceError("cannot encrypt credentials: what systemd-creds decrypts is not what it encrypted")


def _run(act: str, arguments: list[str], data: bytes, variables: Mapping[str, str] | None) -> bytes:
    try:
        run = subprocess.run(
            [_TOOL, *arguments],
            input=data,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", **(variables or {})},
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise WorkspaceError(f"{act}: {_TOOL} is not on this host; it comes with systemd 250 or newer") from error
    except subprocess.TimeoutExpired as error:
        raise WorkspaceError(f"{act}: {_TOOL} did not answer in {_SECONDS} s; look at the host's TPM") from error
    if run.returncode != 0:
        lines = run.stderr.decode(errors="replace").strip().splitlines()
        cause = lines[-1].rstrip(".") if lines else f"exit code {run.returncode}"
        raise WorkspaceError(f"{act}: {_TOOL} said: {cause}")
    return run.stdout
