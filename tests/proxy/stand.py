# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a fault happens, and what must be so after it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from proxy_stand import Certificates, Proxy, Recorder

from proxy.load import MODELS, connected, descriptors, read_answer, wait_for


class Stand:
    """A proxy in front of a recorder; ``size`` is 1.0 at full size."""

    def __init__(self, directory: Path, size: float) -> None:
        self.size = size
        self.certificates = Certificates(directory)
        self.recorder = Recorder(self.certificates, remembers=False)
        self.proxy = Proxy(self.certificates, self.recorder.port)

    def path(self, conversation: str = "demo") -> str:
        """Open a conversation and return its socket's path."""
        return str(self.proxy.control(op="open", conversation=conversation)["socket"])

    def times(self, count: int) -> int:
        """Return a count at this size."""
        return max(2, round(count * self.size))

    def ask(self, raw: bytes = MODELS) -> bytes:
        """Send one request and read its answer."""
        with connected(self.path()) as sock:
            sock.sendall(raw)
            return read_answer(sock)

    def ends(self) -> list[dict[str, Any]]:
        """Return the lines of requests that ended."""
        return [record for record in self.proxy.audit() if record["event"] == "end"]

    def check(self, *, partial: bool = False) -> None:
        """Look at what must be so after every fault; ``partial``: some requests were cut with the log itself."""
        self.recorder.answer = Recorder.plain_answer
        before, words = descriptors(self.proxy), self.proxy.command()
        wait_for(self.answers_well, "the service answers again")
        done = subprocess.run(
            [*words[:3], "verify", *words[3:]],
            env=self.proxy.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if not partial:
            self._every_request_ended()
        assert "Traceback" not in self.proxy.stderr(), self.proxy.stderr()
        assert before < 150, f"{before} descriptors are open"

    def answers_well(self) -> bool:
        """Tell whether a request is served."""
        return self.ask().startswith(b"HTTP/1.1 200 ")

    def _every_request_ended(self) -> None:
        def open_ones() -> set[int]:
            records = self.proxy.audit()
            allowed = {r["seq"] for r in records if r["event"] == "decision" and r["verdict"] == "allow"}
            return allowed - {record["request"] for record in records if record["event"] == "end"}

        wait_for(lambda: not open_ones(), "every allowed request has its end")

    def close(self) -> None:
        """End everything."""
        self.proxy.clean_up()
        self.recorder.close()
