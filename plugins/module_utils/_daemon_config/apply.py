# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a new daemon.json in force, or everything back as it was.

Note that this module util is PRIVATE to the collection.

`dockerd --validate` calls files correct that dockerd then cannot start with (measured with 26.1), so the
only proof is a daemon that answers after the restart, and the way back is ready before the first step.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config import pending
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Engine,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import (
    DaemonConfigError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.service import Service

_POLL = 0.25

#: (temporary file, destination): renames, keeping owner, mode and security label of the destination.
Move = Callable[[str, str], None]


class ConfigFile:
    """daemon.json on disk, or another file like it. `mode` is that of a new file, as far as `move` leaves it."""

    def __init__(self, path: str, move: Move, *, mode: int = 0o644) -> None:
        self.path = path
        self._move = move
        self._mode = mode

    def read(self) -> str | None:
        try:
            return Path(self.path).read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise DaemonConfigError(f"cannot read {self.path}: {error}; nothing was changed") from error

    def write(self, text: str | None) -> None:
        """Replace the file in one step, also across a power cut; None removes it."""
        if text is None:
            Path(self.path).unlink(missing_ok=True)
            return
        directory = self.prepare_directory()
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".daemon.json.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(self._mode)
            self._move(temporary, self.path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        _sync_directory(directory)

    def prepare_directory(self) -> Path:
        directory = Path(self.path).parent
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        return directory


def restart_or_restore(
    *,
    config: ConfigFile,
    good: str | None,
    was_active: bool,
    service: Service,
    engine: Engine,
    timeout: float,
) -> dict[str, Any]:
    """Restart the daemon with the file that is on disk; the daemon's /info. `good` goes back on failure."""
    cause, info = _restart(service, engine, timeout)
    if info is not None:
        pending.remove_note(config.path)
        return info
    same = config.read() == good
    config.write(good)
    second_cause, old_info = "", None
    if was_active:
        second_cause, old_info = _restart(service, engine, timeout)
    else:
        service.stop()
    pending.remove_note(config.path)
    raise DaemonConfigError(
        f"cannot restart docker with the new {config.path}: {cause}; "
        + _way_back(config.path, same=same, was_active=was_active, answered=old_info is not None)
        + (f": {second_cause}" if second_cause else "")
    )


def reload_or_restore(
    *, config: ConfigFile, good: str | None, service: Service, engine: Engine, timeout: float
) -> None:
    """Have the daemon take the file that is on disk without a restart. `good` goes back on failure."""
    cause = _reload(service, engine, timeout)
    if not cause:
        pending.remove_note(config.path)
        return
    config.write(good)
    second_cause = _reload(service, engine, timeout)
    pending.remove_note(config.path)
    raise DaemonConfigError(
        f"cannot have docker reload {config.path}: {cause}; "
        + _way_back(config.path, same=False, was_active=True, answered=not second_cause)
    )


def _reload(service: Service, engine: Engine, timeout: float) -> str:
    """The empty string, or the cause of the failure. A daemon that refuses the file goes on with its old settings."""
    began = time.time()
    complaint = service.reload()
    if complaint:
        return complaint
    deadline = time.monotonic() + timeout
    while True:
        try:
            if engine.reloaded_since(began):
                return ""
        except NoAnswerError as silence:
            complaint = str(silence)
        refusal = service.refusal_since(began)
        if refusal:
            return refusal
        if time.monotonic() >= deadline:
            return complaint or f"it did not say within {timeout:g} s that it has"
        time.sleep(_POLL)


def _way_back(path: str, *, same: bool, was_active: bool, answered: bool) -> str:
    if same:
        return f"{path} was not changed by this task, so look for the cause in the message above"
    if not was_active:
        return f"the old {path} is back, docker is stopped as before; correct the settings"
    if answered:
        return f"the old {path} is back and docker runs with it; correct the settings"
    return f"the old {path} is back, but docker does not start with it either; see journalctl -u docker"


def _restart(service: Service, engine: Engine, timeout: float) -> tuple[str, dict[str, Any] | None]:
    """Either the cause of the failure, or an empty string and the daemon's /info."""
    began = time.time()
    complaint = service.restart(timeout)
    if complaint:
        return service.words_since(began) or complaint, None
    deadline = time.monotonic() + timeout
    while True:
        try:
            return "", engine.info()
        except NoAnswerError as silence:
            if time.monotonic() >= deadline:
                return f"no answer within {timeout:g} s ({silence}); {service.words_since(began)}", None
        time.sleep(_POLL)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
