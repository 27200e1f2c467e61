# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials: from the files that systemd or a root-only order gives, to the values that the signers need."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from .reader import read_json
from .secret import AwsKeys, Credential, Secret
from .settings import Config, ConfigError

_DECRYPT_SECONDS = 30
_AWS_KEYS = ("AccessKeyId", "SecretAccessKey")


def load_credentials(config: Config, directory: Path) -> Mapping[str, Credential]:
    """Read the credential of every route; the files are systemd's, readable by this service only."""
    contents: dict[str, bytes] = {}
    problems = []
    for name in needed(config):
        try:
            contents[name] = read_credential(directory, name)
        except OSError as error:
            problems.append(f"cannot read credential {name}: {error.strerror}; put it into {directory}")
    return parse_credentials(config, contents, problems)


def read_credential(directory: Path, name: str) -> bytes:
    """Read one credential. What systemd gives is plain; on the disk it may be encrypted, and only root can read it."""
    encrypted = directory / f"{name}.cred"
    if not encrypted.exists():
        return (directory / name).read_bytes()
    tool = ["systemd-creds", "decrypt", f"--name={name}", str(encrypted), "-"]
    try:
        run = subprocess.run(tool, capture_output=True, timeout=_DECRYPT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(errno.ETIMEDOUT, f"systemd-creds took longer than {_DECRYPT_SECONDS} s") from error
    if run.returncode != 0:
        cause = run.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(errno.EIO, f"systemd-creds cannot decrypt it ({cause})")
    return run.stdout


def parse_credentials(
    config: Config, contents: Mapping[str, bytes], problems: list[str] | None = None
) -> Mapping[str, Credential]:
    """Check the credentials of every route, each by the way in which its route sends it."""
    found = list(problems or [])
    result: dict[str, Credential] = {}
    for route in config.routes:
        content = contents.get(route.credential)
        if content is None:
            if route.credential and problems is None:
                found.append(f"cannot inject credential {route.credential}: it was not given")
            continue
        try:
            credential = _aws_keys(content) if route.auth == "sigv4" else Secret(content)
        except ValueError as error:
            found.append(f"cannot use credential {route.credential}: {error}")
            continue
        if type(result.setdefault(route.credential, credential)) is not type(credential):
            found.append(f"cannot use credential {route.credential}: one route signs with it, another sends it")
    if found:
        raise ConfigError(sorted(set(found)))
    return result


def needed(config: Config) -> list[str]:
    """Return the names of the credentials that the routes inject."""
    return sorted({route.credential for route in config.routes if route.credential})


def _aws_keys(content: bytes) -> AwsKeys:
    """Read what AWS's tools call the output of a credential process."""
    try:
        data = read_json(content)
    except ConfigError:
        data = None
    if not isinstance(data, dict) or not all(isinstance(data.get(key), str) for key in _AWS_KEYS):
        raise ValueError(f"it must be a JSON object with {' and '.join(_AWS_KEYS)}, as a credential_process prints it")
    token = data.get("SessionToken")
    expires = data.get("Expiration")
    return AwsKeys(
        access_key_id=Secret(data["AccessKeyId"].encode()).reveal().decode("ascii"),
        secret_access_key=Secret(data["SecretAccessKey"].encode()),
        session_token=Secret(token.encode()) if isinstance(token, str) and token else None,
        expires=datetime.fromisoformat(expires).timestamp() if isinstance(expires, str) else None,
    )
