# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Metrics as a program: what the systemd timer of the role workspace_metrics runs.

Writes one file for the textfile collector of Prometheus' node exporter, whole or not at all. Where Docker or the proxy
cannot be asked, the file says so (bulkhead_up, bulkhead_proxy_up), and the exit status is 1 for Docker.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .driver import Driver
from .errors import WorkspaceError
from .listing import conversations
from .metrics import family, render

PROXY_SOCKET = "/run/credential_proxy/metrics.sock"
_PROXY_SECONDS = 10
_QUESTION = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="workspace-metrics", description=__doc__, allow_abbrev=False)
    parser.add_argument("file", type=Path, help="for example /var/lib/prometheus/node-exporter/bulkhead.prom")
    parser.add_argument("--docker-host", default="unix:///var/run/docker.sock")
    parser.add_argument("--proxy-socket", default=PROXY_SOCKET, help="empty: there is no proxy")
    chosen = parser.parse_args(arguments)
    begun = time.monotonic()
    told, error = _docker(chosen.docker_host)
    told += _proxy(chosen.proxy_socket) if chosen.proxy_socket else ""
    told += _gauge("bulkhead_up", "1 if Docker told of its containers, 0 if not.", float(not error))
    told += _gauge("bulkhead_collect_seconds", "How long it took to collect these figures.", time.monotonic() - begun)
    told += _gauge("bulkhead_collected_timestamp_seconds", "When these figures were collected.", time.time())
    try:
        _write(chosen.file, told)
    except OSError as refusal:
        error = f"cannot write {chosen.file}: {refusal.strerror}; make the directory, or name another one"
    if error:
        sys.stderr.write(f"{error}\n")
    return 1 if error else 0


def _docker(docker_host: str) -> tuple[str, str]:
    try:
        listing = conversations(Driver(docker_host))
    except WorkspaceError as error:
        return "", str(error)
    except Exception as error:
        # Old figures that stay would say that all is well.
        return "", f"cannot collect: {error!r}"
    return render(listing.conversations, listing.host_events), ""


def _proxy(path: str) -> str:
    """The proxy's own counters, as it wrote them."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_PROXY_SECONDS)
            sock.connect(path)
            sock.sendall(_QUESTION)
            with sock.makefile("rb") as stream:
                head, body = stream.read().partition(b"\r\n\r\n")[::2]
    except OSError:
        head, body = b"", b""
    answered = head.startswith(b"HTTP/1.1 200 ")
    up = _gauge("bulkhead_proxy_up", "1 if the credential proxy told its counters, 0 if not.", float(answered))
    return (body.decode() if answered else "") + up


def _gauge(name: str, text: str, value: float) -> str:
    return family(name, text, "gauge", [({}, value)])


def _write(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o644)  # the node exporter is another user
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    raise SystemExit(main())
