# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker.service as systemd and its journal tell it.

Note that this module util is PRIVATE to the collection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.journal import (
    last_words,
    reload_refusal,
)

UNIT = "docker.service"
UNITS = (UNIT, "docker.socket")
#: What the program timeout returns.
_TIMED_OUT = 124
_PROPERTIES = "LoadState,ActiveState,UnitFileState,ExecMainStartTimestampMonotonic"

#: (arguments) -> (return code, standard output, standard error); never raises for a failed command.
Run = Callable[[list[str]], "tuple[int, str, str]"]


@dataclass(frozen=True)
class ServiceState:
    exists: bool
    active: bool
    enabled: bool
    #: Seconds since the epoch at which the main process started, 0.0 when it does not run.
    started: float


class Service:
    """Starts, stops and questions docker.service."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def state(self) -> ServiceState:
        _rc, out, _err = self._run(["systemctl", "show", UNIT, f"--property={_PROPERTIES}"])
        values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        active = values.get("ActiveState") in ("active", "reloading")
        since_boot = int(values.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
        started = time.time() - time.monotonic() + since_boot if active and since_boot else 0.0
        enabled = values.get("UnitFileState", "").startswith("enabled")
        return ServiceState(values.get("LoadState") == "loaded", active, enabled, started)

    def restart(self, timeout: float) -> str:
        """Start or restart the daemon; the empty string, or what systemctl complained of."""
        # systemd refuses the third start within a minute, whoever asked for the first two.
        self._run(["systemctl", "reset-failed", *UNITS])
        # Distributions let the start of docker.service take for ever.
        rc, out, err = self._run(["timeout", f"{timeout:g}", "systemctl", "restart", UNIT])
        if rc == _TIMED_OUT:
            return f"systemctl restart did not end within {timeout:g} s"
        return "" if rc == 0 else (err or out).strip() or f"systemctl restart ended with {rc}"

    def reload(self) -> str:
        """Have the daemon read its file again; the empty string, or what systemctl complained of."""
        rc, out, err = self._run(["systemctl", "reload", UNIT])
        return "" if rc == 0 else (err or out).strip() or f"systemctl reload ended with {rc}"

    def stop(self) -> None:
        self._run(["systemctl", "stop", *UNITS])
        self._run(["systemctl", "reset-failed", *UNITS])

    def words_since(self, moment: float) -> str:
        """dockerd's own last words since moment (seconds since the epoch)."""
        command = ["journalctl", "--unit", UNIT, f"--since=@{int(moment)}", "--output=cat", "--no-pager"]
        _rc, out, _err = self._run([*command, "--identifier=dockerd"])
        if not out.strip():
            _rc, out, _err = self._run(command)
        return last_words(out.splitlines())

    def refusal_since(self, moment: float) -> str:
        """What dockerd said against a file that it was to read again; empty where it said nothing."""
        command = ["journalctl", "--unit", UNIT, f"--since=@{int(moment)}", "--output=cat", "--no-pager"]
        _rc, out, _err = self._run([*command, "--identifier=dockerd"])
        return reload_refusal(out.splitlines())
