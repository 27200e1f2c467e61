# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and ending one dockerd."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from native_docker.mounts import unmount_below

START_SECONDS = 60.0
STOP_SECONDS = 30.0

# What a workspace host has (spec: no bridge, no packet filter); a network of Docker's would touch this machine's own.
SETTINGS: Mapping[str, Any] = {
    "bridge": "none",
    "iptables": False,
    "ip6tables": False,
    "ip-forward": False,
    "live-restore": False,
    "features": {"buildkit": False},
}


class DaemonError(Exception):
    """Told to the user in one sentence: 'cannot ACT OBJECT: cause; what to do'."""


@dataclass
class Daemon:
    """A running daemon: its socket as a URL (``unix:///…``), and the process, which ``stop`` and ``start`` change."""

    home: Path
    settings: Mapping[str, Any]
    program: str = "dockerd"
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"unix://{self.home}/docker.sock"

    @property
    def log(self) -> Path:
        return self.home / "dockerd.log"

    def client(self, seconds: float = 60.0) -> docker.DockerClient:
        """A new client; the caller closes it."""
        return docker.DockerClient(base_url=self.url, timeout=int(seconds))

    def load(self, archive: Path) -> str:
        """Loads a docker archive; the name of its first tag, or the id of an image without one."""
        with contextlib.closing(self.client(seconds=600)) as client, archive.open("rb") as stream:
            image = client.images.load(stream)[0]
            return str(image.tags[0] if image.tags else image.id)

    def start(self) -> None:
        """Starts it and waits until it answers; raises DaemonError with the end of its log when it does not."""
        configuration = self.home / "daemon.json"
        configuration.write_text(json.dumps(self.settings, indent=2))
        arguments = [
            # A test that is killed runs no clean-up; the kernel then ends the daemon, and it its containers.
            "setpriv",
            "--pdeathsig=TERM",
            self.program,
            f"--config-file={configuration}",
            f"--host={self.url}",
            f"--data-root={self.home}/data",
            f"--exec-root={self.home}/run",
            f"--pidfile={self.home}/dockerd.pid",
        ]
        try:
            with self.log.open("ab") as log:
                # In a session of its own: an interrupt at the terminal reaches only the test, which then cleans up.
                self.process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except FileNotFoundError as error:
            raise DaemonError("cannot start dockerd: it is not installed; run `make setup`") from error
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Ends the daemon, and with it the containerd that it started; containers end first, as live-restore is off."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove_containers(self) -> None:
        """Kills and removes every container, so that the daemon's end waits for none of them."""
        with contextlib.closing(self.client()) as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                with contextlib.suppress(DockerException):
                    container.remove(force=True)

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(DockerException, OSError), contextlib.closing(self.client(seconds=5)) as client:
                client.ping()
                return
            time.sleep(0.1)
        words = self.log.read_text(errors="replace").strip().splitlines()[-3:]
        self.stop()
        raise DaemonError(f"cannot start dockerd: {' / '.join(words)}; see {self.log}")


@contextlib.contextmanager
def daemon(settings: Mapping[str, Any] | None = None, *, program: str = "dockerd") -> Iterator[Daemon]:
    """A daemon for the length of a ``with`` block; ``settings`` are keys of daemon.json over this module's own.

    ``program`` is what is started: dockerd, or something that becomes it.

    Needs root. Containers, images and volumes are gone afterwards, also when the block raised.
    """
    # Under /tmp for a short path: a unix socket's may have 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="native-docker-"))
    home.chmod(0o711)  # with userns-remap, a mapped root must be able to walk to the volumes
    running = Daemon(home, {**SETTINGS, **(settings or {})}, program)
    try:
        running.start()
        yield running
    finally:
        if running.process is not None:
            with contextlib.suppress(DockerException, OSError):
                running.remove_containers()
            running.stop()
        unmount_below(home)
        shutil.rmtree(home, ignore_errors=True)
