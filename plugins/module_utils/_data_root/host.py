# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that change the host, each with its error in one shape.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.errors import DataRootError
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.survey import Run

DOCKER = ("docker.socket", "docker.service")
#: What systemctl ends with when it knows no such unit.
_NOT_LOADED = 5


class Host:
    """Runs programs; every failure is a DataRootError with the program's own words."""

    def __init__(self, run: Run) -> None:
        self.try_to = run

    def do(self, act: str, *command: str) -> str:
        """Run a command that must succeed; `act` says what could not be done, such as "mount /x"."""
        rc, out, err = self.try_to(list(command))
        if rc != 0:
            raise DataRootError(f"cannot {act}: {' '.join((err or out).split()) or f'{command[0]} ended with {rc}'}")
        return out

    def systemctl(self, *words: str) -> None:
        self.do(f"have systemd {' '.join(words)}", "systemctl", *words)

    def stop_docker(self) -> None:
        """Stop the daemon, where there is one."""
        # The socket first: a client that asks meanwhile would start the daemon again.
        for unit in DOCKER:
            rc, _out, err = self.try_to(["systemctl", "stop", unit])
            if rc not in (0, _NOT_LOADED):
                raise DataRootError(f"cannot have systemd stop {unit}: {' '.join(err.split())}")

    def start_docker(self) -> None:
        # systemd refuses the third start within a minute, whoever asked for the first two.
        self.try_to(["systemctl", "reset-failed", *DOCKER])
        self.systemctl("start", "docker.service")

    def unmount(self, path: Path) -> None:
        """Unmount what is at path, as often as something is; data is on disk afterwards."""
        while os.path.ismount(path):
            self.do(f"unmount {path}", "umount", str(path))

    def write(self, path: Path, text: str) -> bool:
        """Replace a file in one step, also across a power cut; whether it changed."""
        if path.exists() and path.read_text() == text:
            return False
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o644)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return True


@contextmanager
def guarded(*commands: str) -> Iterator[None]:
    """While the block runs, a process of its own waits for the death of this one, and then runs the shell commands.

    What kills a module in the middle, with Docker stopped, must not leave the host without Docker until somebody looks.
    """
    script = f'read -r word; [ "$word" = done ] && exit 0; {"; ".join(commands)}'
    with subprocess.Popen(
        ["setsid", "--fork", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as guard:
        word = cast(TextIO, guard.stdin)
        try:
            yield
        finally:
            word.write("done\n")
            word.close()
