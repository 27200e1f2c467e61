# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the running service over its own sockets: is it healthy, and does it refuse, on the wire, what it must refuse?

Opens a throw-away conversation, sends it an upload with a foreign key, expects the refusal, and closes it again. Looks
whether the credentials' files are root's alone.
"""

from __future__ import annotations

import json
import secrets
import socket
import stat
import sys
from pathlib import Path
from typing import Any

_FORBIDDEN = (
    b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nx-api-key: somebody-elses-key\r\nContent-Length: 4\r\n\r\ndata"
)


def connect(path: str) -> socket.socket:
    """Connect to a unix socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(path)
    return sock


def order(control: str, **words: str) -> dict[str, Any]:
    """Send one order to the control socket."""
    with connect(control) as sock:
        sock.sendall(json.dumps(words).encode() + b"\n")
        with sock.makefile("rb") as lines:
            reply: dict[str, Any] = json.loads(lines.readline())
    if not reply["ok"]:
        raise OSError(reply["error"])
    return reply


def refusal(path: str) -> str:
    """Send the forbidden request and return the status line."""
    with connect(path) as sock:
        sock.sendall(_FORBIDDEN)
        with sock.makefile("rb") as lines:
            return lines.readline().decode("ascii", "replace").strip()


def exposed(directory: str) -> list[str]:
    """The files that others than root can read or replace."""
    found = []
    for file in sorted(Path(directory).iterdir()):
        status = file.lstat()
        if stat.S_ISREG(status.st_mode) and (status.st_uid, stat.S_IMODE(status.st_mode)) != (0, 0o600):
            found.append(file.name)
    return found


def main(control: str, credentials: str) -> None:
    """Print the proof, or say what is wrong and fail."""
    name = "verify-" + secrets.token_hex(8)
    try:
        health = order(control, op="health")
        if not health["audit"]:
            sys.exit(
                "cannot rely on the proxy: its audit log cannot be written; look at journalctl -u credential_proxy"
            )
        if health["configuration"] != "ok":
            sys.exit(
                f"cannot rely on the proxy: it keeps an old configuration, because {health['configuration']}; "
                "mend that, then run the role again"
            )
        path = order(control, op="open", conversation=name)["socket"]
        try:
            answer = refusal(path)
        finally:
            order(control, op="close", conversation=name)
    except OSError as error:
        sys.exit(f"cannot reach the proxy at {control}: {error}; look at journalctl -u credential_proxy")
    if not answer.startswith("HTTP/1.1 403 "):
        sys.exit(f"cannot rely on the proxy: it answered {answer!r} to a forbidden request; report this")
    if names := exposed(credentials):
        sys.exit(
            f"cannot rely on {', '.join(names)} in {credentials}: others than root may have read it; "
            "give it to root with mode 0600, and replace the key"
        )
    print(json.dumps({"version": health["version"], "routes": health["routes"], "forbidden_request": answer}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
