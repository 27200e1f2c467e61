# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pip and npm, as they are, through the mirrors of the real indexes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from proxy_stand import Certificates, Forwarder, Proxy

from proxy.indexes import npm_route, python_routes

Start = Callable[..., "Mirror"]


class Mirror:
    """A proxy with routes to indexes, reached as from a container."""

    def __init__(self, certificates: Certificates, routes: list[dict[str, Any]]) -> None:
        self.proxy = Proxy(certificates, 1)
        self.proxy.configure(routes=routes)
        self.proxy.start()
        self.forwarder = Forwarder(self.proxy.control(op="open", conversation="demo")["socket"])
        self.proxy.configure(client_url=self.forwarder.url)
        assert self.proxy.reload() == {"ok": True}

    def close(self) -> None:
        """End both."""
        self.forwarder.close()
        self.proxy.clean_up()

    def fetched(self) -> dict[str, str]:
        """Return the names and versions of the files that passed, each with a hash in the log."""
        records = self.proxy.audit()
        hashes = {record["request"]: record.get("sha256") for record in records if record["event"] == "end"}
        return {
            record["package"]: record["version"]
            for record in records
            if record.get("version") and record["verdict"] == "allow" and hashes[record["seq"]]
        }


@pytest.fixture
def start(certificates: Certificates) -> Iterator[Start]:
    """Start mirrors with these routes."""
    made: list[Mirror] = []

    def make(*routes: dict[str, Any]) -> Mirror:
        made.append(Mirror(certificates, list(routes)))
        return made[-1]

    yield make
    for mirror in made:
        mirror.close()


def pip(mirror: Mirror, target: Path, *words: str, check: bool = True) -> str:
    """Install with pip and nothing but the mirror; return what it said."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"{mirror.forwarder.url}/pypi/simple"}
    command = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--target", str(target), *words], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout + done.stderr


def npm(mirror: Mirror, directory: Path, *words: str) -> tuple[int, str]:
    """Run npm with nothing but the mirror; return its code and what it said."""
    settings = [f"--registry={mirror.forwarder.url}/npm/", f"--cache={directory}/cache", "--no-fund", "--no-audit"]
    done = subprocess.run(
        ["npm", *words, *settings, "--fetch-retries=0"], capture_output=True, text=True, cwd=directory, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def test_pip_installs_a_wheel_and_a_source_with_dependencies(start: Start, tmp_path: Path) -> None:
    mirror = start(*python_routes())
    pip(mirror, tmp_path / "wheel", "python-dateutil")
    assert len(mirror.fetched().keys() - {"python-dateutil"}) > 0, "it has dependencies"
    pip(mirror, tmp_path / "source", "--no-binary", "python-dateutil", "python-dateutil")
    for name in ("wheel", "source"):
        code = "import dateutil.parser; print(dateutil.parser.parse('2026-11-22').day)"
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / name)}
        assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).stdout == b"22\n"


def test_pip_tells_why_a_package_is_denied(start: Start, tmp_path: Path) -> None:
    mirror = start(*python_routes(deny=["six"]))
    said = pip(mirror, tmp_path, "six", check=False)
    assert "this package is denied here; use another package, or ask the operator to allow it" in said
    assert list(tmp_path.iterdir()) == []
    assert mirror.fetched() == {}


def test_pip_gets_no_release_that_is_too_young(start: Start, tmp_path: Path) -> None:
    mirror = start(*python_routes(minimum_age_days=20000))
    said = pip(mirror, tmp_path, "six", check=False)
    assert "this release is too young" in said
    mirror.proxy.configure(routes=python_routes(minimum_age_days=400))
    assert mirror.proxy.reload() == {"ok": True}
    pip(mirror, tmp_path, "six")
    assert "six" in mirror.fetched()


def test_npm_installs_a_tree(start: Start, tmp_path: Path) -> None:
    mirror = start(npm_route(minimum_age_days=30))
    code, said = npm(mirror, tmp_path, "install", "chalk@4", "is-odd")
    assert code == 0, said
    assert {"chalk", "ansi-styles", "is-odd", "is-number"} <= set(mirror.fetched())
    script = "console.log(require('is-odd')(3), typeof require('chalk').red)"
    done = subprocess.run(["node", "-e", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["true", "function"]
    lock = json.loads((tmp_path / "package-lock.json").read_text())
    assert all(package["integrity"] for name, package in lock["packages"].items() if name)


def test_npm_tells_why(start: Start, tmp_path: Path) -> None:
    mirror = start(npm_route(deny=["is-odd"]))
    code, said = npm(mirror, tmp_path, "install", "is-odd")
    assert code != 0
    assert "this package is denied here" in said
    (tmp_path / "package.json").write_text('{"name": "smuggle-out", "version": "1.0.0"}')
    token = f"//127.0.0.1:{mirror.forwarder.port}/npm/:_authToken=npm_0123456789\n"
    (tmp_path / ".npmrc").write_text(token)
    code, said = npm(mirror, tmp_path, "publish")
    assert code != 0
    assert "package indexes are read-only here; only GET and HEAD pass; publish from elsewhere" in said
    assert mirror.fetched() == {}
