# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: serve, or check a configuration and report every problem of it."""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from . import __version__
from .config import Config, ConfigError, load, load_credentials
from .secret import Secret
from .service import Service
from .upstream import tls_context

_PR_SET_DUMPABLE = 4


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all went well, 1 when the configuration or the host stops us."""
    options = _parser().parse_args(arguments)
    try:
        config, secrets = _load(options.config, options.credentials_directory)
        if options.check_config:
            return 0
        _forbid_core_dumps()
        service = Service(config, secrets)
        service.start()
    except ConfigError as error:
        for problem in error.problems:
            print(f"credential_proxy: {options.config}: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"credential_proxy: cannot start: {error}; give its user that path", file=sys.stderr)
        return 1
    service.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="credential_proxy", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("/etc/credential_proxy/config.json"))
    parser.add_argument(
        "--credentials-directory",
        type=Path,
        default=os.environ.get("CREDENTIALS_DIRECTORY"),
        help="directory with one file per credential (default: what systemd's LoadCredential gives)",
    )
    parser.add_argument("--check-config", action="store_true", help="check the configuration and exit")
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _load(path: Path, credentials: Path | None) -> tuple[Config, Mapping[str, Secret]]:
    """Check everything that can be checked before the first socket; collect the problems of all steps."""
    config = load(path)
    problems: list[str] = []
    for route in config.routes:
        try:
            tls_context(route)
        except ConfigError as error:
            problems += error.problems
    secrets: Mapping[str, Secret] = {}
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


def _forbid_core_dumps() -> None:
    """Keep the secrets out of core dumps and out of reach of other processes of the same user (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main())
