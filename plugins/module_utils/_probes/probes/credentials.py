# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Looks for credentials the way a thief does: by the names and shapes that they have. The real one is never brought in.

Whether the very bytes of the host's credentials are inside is what the layer report searches from outside.
"""

from __future__ import annotations

import os
import time

from ..probe import ROOT, Figures, Probe
from ..toolkit import REFUSED, SUCCEEDED, Outcome, looks_secret


def search_environment(_figures: Figures) -> Outcome:
    """Reads the environment of every process that may be read."""
    read = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    content = file.read()
            except OSError:
                continue
            read += 1
            if looks_secret(content):
                return SUCCEEDED, f"process {entry} has a credential in its environment"
    return REFUSED, f"no credential in the environment of {read} processes"


def search_files(_figures: Figures) -> Outcome:
    """Reads small files where credentials are usually left, for five seconds at the most."""
    until, read = time.monotonic() + 5, 0
    for top in ("/run", "/home", "/root", "/etc", "/workspace", "/tmp", "/opt", "/var/tmp", "/dev/shm"):
        for directory, folders, names in os.walk(top):
            folders[:] = [name for name in folders if name not in ("node_modules", "site-packages", "lib")]
            for name in names:
                path = os.path.join(directory, name)
                try:
                    if not os.path.isfile(path) or os.path.getsize(path) > 65536:
                        continue
                    with open(path, "rb") as file:
                        content = file.read()
                except OSError:
                    continue
                read += 1
                if looks_secret(content) and b"BEGIN CERTIFICATE" not in content:
                    return SUCCEEDED, f"a credential in {path}"
                if time.monotonic() > until:
                    return REFUSED, f"no credential in the first {read} files"
    return REFUSED, f"no credential in {read} files"


def search_memory(_figures: Figures) -> Outcome:
    """Reads the memory of every process that may be read, but not its own, which holds the patterns."""
    import re

    read = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in (os.getpid(), os.getppid()):
            continue
        try:
            with open(f"/proc/{entry}/maps") as file:
                areas = re.findall(
                    r"^([0-9a-f]+)-([0-9a-f]+) rw.. .*(?:\[heap\]|\[stack\])$", file.read(), re.MULTILINE
                )
            memory = os.open(f"/proc/{entry}/mem", os.O_RDONLY)
        except OSError:
            continue
        for begin, finish in areas:
            content = os.pread(memory, min(int(finish, 16) - int(begin, 16), 1 << 22), int(begin, 16))
            read += len(content)
            if looks_secret(content):
                os.close(memory)
                return SUCCEEDED, f"a credential in the memory of process {entry}"
        os.close(memory)
    return REFUSED, f"no credential in {read} bytes of memory that could be read"


PROBES = (
    Probe(
        id="credential_environment",
        layer="L6",
        title="Find a credential in the environment",
        act=search_environment,
        user="default",
        defences=("credentials_outside",),
        references=("security design, table of destructive commands: env", "CIS Docker 4.10"),
    ),
    Probe(
        id="credential_file",
        layer="L6",
        title="Find a credential in a file",
        act=search_files,
        defences=("credentials_outside",),
        references=("security design: Docker secrets compared with the proxy", "CIS Docker 4.10"),
        timeout=20,
    ),
    Probe(
        id="credential_memory",
        layer="L6",
        title="Find a credential in the memory of a process",
        act=search_memory,
        user=ROOT,
        defences=("credentials_outside", "apparmor", "capabilities"),
        references=("security design: credentials stay outside",),
        timeout=20,
    ),
)
