# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus and its node exporter on loopback, for the length of a block."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: hosts
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
"""
WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes one directory of text files."""

    url: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query; raises for an expression that Prometheus refuses."""
        address = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address) as answer:  # noqa: S310  always http on the loopback interface
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def await_result(self, expression: str) -> list[dict[str, Any]]:
        """As soon as there is one."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (result := self.ask(expression)):
            assert time.monotonic() < deadline, f"no result of {expression} after {WAIT_SECONDS:g} s"
            time.sleep(0.2)
        return result


@contextlib.contextmanager
def monitoring(home: Path, textfiles: Path, rules: Path) -> Iterator[Prometheus]:
    """Both programs, ended at the end; state and logs lie in `home`."""
    with contextlib.ExitStack() as ends:
        exporter, server = _free_port(), _free_port()
        config = home / "prometheus.yml"
        config.write_text(CONFIG.format(rules=rules, exporter=exporter))
        collectors = ["--collector.disable-defaults", "--collector.textfile"]
        _start(
            ends,
            home / "exporter.log",
            "prometheus-node-exporter",
            *collectors,
            f"--collector.textfile.directory={textfiles}",
            f"--web.listen-address=127.0.0.1:{exporter}",
        )
        _start(
            ends,
            home / "prometheus.log",
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{server}",
        )
        prometheus = Prometheus(f"http://127.0.0.1:{server}")
        _until_ready(prometheus)
        yield prometheus


def _start(ends: contextlib.ExitStack, log: Path, *command: str) -> None:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    ends.callback(process.wait)
    ends.callback(process.kill)


def _until_ready(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            prometheus.ask("up")
        except OSError:
            assert time.monotonic() < deadline, "Prometheus does not answer"
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
