# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: serve, check a configuration, have the service take a new one, verify the audit log."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from . import __version__
from .config import CONTROL_SOCKET, load
from .credentials import load_credentials, needed, read_credential
from .secret import Credential
from .service import Service
from .settings import Config, ConfigError
from .upstream import tls_context
from .verify import verify

_PR_SET_DUMPABLE = 4
_RELOAD_SECONDS = 10


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all went well, 1 when the configuration, the host or the log stops us."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "verify":
            return _verify(load(options.config))
        if options.command == "reload":
            return _reload(options.config, options.credentials_directory, options.control_socket)
        config, credentials = _load(options.config, options.credentials_directory)
        if options.check_config:
            return 0
        _forbid_core_dumps()
        service = Service(config, credentials, options.config)
        service.start()
    except ConfigError as error:
        for problem in error.problems:
            print(f"credential_proxy: {options.config}: {problem}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"credential_proxy: cannot {options.command}: {error}; give its user that path", file=sys.stderr)
        return 1
    # What was made so far stays: the collector need not stop the loop for milliseconds to look through it.
    gc.freeze()
    service.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="credential_proxy", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "reload", "verify"], default="serve")
    parser.add_argument("--config", type=Path, default=Path("/etc/credential_proxy/config.json"))
    parser.add_argument(
        "--credentials-directory",
        type=Path,
        default=os.environ.get("CREDENTIALS_DIRECTORY"),
        help="directory with one file per credential (default: what systemd's LoadCredential gives)",
    )
    parser.add_argument(
        "--control-socket",
        type=Path,
        default=Path(CONTROL_SOCKET),
        help="where to find the service when the configuration cannot be read (reload)",
    )
    parser.add_argument("--check-config", action="store_true", help="check the configuration and exit")
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _load(path: Path, credentials: Path | None) -> tuple[Config, Mapping[str, Credential]]:
    """Check everything that can be checked before the first socket; collect the problems of all steps."""
    config = load(path)
    problems: list[str] = []
    for route in config.routes:
        try:
            tls_context(route)
        except ConfigError as error:
            problems += error.problems
    secrets: Mapping[str, Credential] = {}
    if credentials is None:
        problems.append("no credentials directory: start through systemd, or give --credentials-directory")
    else:
        try:
            secrets = load_credentials(config, Path(credentials))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return config, secrets


def _verify(config: Config) -> int:
    """Print the first and the last line's number, or every problem of the log."""
    result = verify(config.audit_log, config.state_directory)
    for problem in result.problems:
        print(f"cannot trust {config.audit_log}: {problem}; compare it with a copy kept elsewhere", file=sys.stderr)
    if result.problems:
        return 1
    unnoted = f"; {result.unnoted} of them came after a note, just now or just before a kill" if result.unnoted else ""
    print(f"{config.audit_log}: lines {result.first} to {result.last.seq} are whole and in order{unnoted}")
    return 0


def _reload(path: Path, credentials: Path | None, control: Path) -> int:
    """Have the running service take the configuration, with the credentials that root reads now.

    The service is asked even where the configuration cannot be read: it refuses it, remembers why, and goes on in a
    fresh file of the log.
    """
    if credentials is None:
        raise ConfigError(["no credentials directory: give --credentials-directory"])
    values = {}
    with contextlib.suppress(ConfigError):
        config = load(path)
        control = config.control_socket
        values = _readable(needed(config), Path(credentials))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(_RELOAD_SECONDS)
        sock.connect(str(control))
        sock.sendall(json.dumps({"op": "reload", "credentials": values}).encode() + b"\n")
        with sock.makefile("rb") as reader:
            reply = json.loads(reader.readline())
    if not reply["ok"]:
        print(f"credential_proxy: {reply['error']}", file=sys.stderr)
        return 1
    return 0


def _readable(names: list[str], directory: Path) -> dict[str, str]:
    """Read the credentials; say which cannot be read, and leave them out."""
    values = {}
    for name in names:
        try:
            values[name] = read_credential(directory, name).decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            print(f"credential_proxy: cannot read credential {name} in {directory}: {error}", file=sys.stderr)
    return values


def _forbid_core_dumps() -> None:
    """Keep the secrets out of core dumps and out of reach of other processes of the same user (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main())
