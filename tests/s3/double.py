# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second S3 server, for what Ceph's gateway does not have: it runs no rules, but keeps every field of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "double-requirements.txt"
START_SECONDS = 60.0


@dataclass(frozen=True)
class Double:
    """The running server; `access` are a module's options."""

    access: dict[str, str]

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.access["endpoint_url"],
            aws_access_key_id=self.access["access_key"],
            aws_secret_access_key=self.access["secret_key"],
            region_name=self.access["region"],
        )


def environment() -> Path:
    """Its virtual environment, made on first use and keyed by its requirements."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    home = HERE.parent.parent / "build" / "s3" / f"double-{digest}"
    stamp = home / ".made"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        pip = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True, capture_output=True)
        stamp.touch()
    return home


@contextlib.contextmanager
def running(log: Path) -> Iterator[Double]:
    """The server for the length of a `with` block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [environment() / "bin" / "ministack"], stdout=stream, stderr=stream, env={**os.environ, **settings}
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(endpoint):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        keys = {"access_key": "AKIDOUBLE", "secret_key": "double"}
        yield Double({"endpoint_url": endpoint, "region": "us-east-1", **keys})
    finally:
        process.kill()
        process.wait()


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=2):  # noqa: S310  always http on the loopback interface
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
