# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module as Ansible does on its target: a process of its own, arguments in, one JSON document out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "ansible_collections.bulkhead.workspace.plugins.modules"


def command(name: str) -> list[str]:
    return [sys.executable, "-c", f"import runpy; runpy.run_module('{PACKAGE}.{name}', run_name='__main__')"]


def arguments(options: dict[str, Any], *, check: bool = False) -> bytes:
    settings = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
    return json.dumps({"ANSIBLE_MODULE_ARGS": {**options, **settings}}).encode()


def environment(**more: str) -> dict[str, str]:
    """This one's, without anybody's credentials, and with the checkout's collection."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**kept, "PYTHONPATH": str(ROOT / ".ansible" / "collections"), "AWS_CONFIG_FILE": "/nonexistent", **more}


def run(name: str, options: dict[str, Any], *, check: bool = False, seconds: float = 300, **env: str) -> dict[str, Any]:
    """The module's result. Anything but one JSON document, such as a traceback, is an error of the test."""
    done = subprocess.run(
        command(name),
        input=arguments(options, check=check),
        capture_output=True,
        timeout=seconds,
        env=environment(**env),
    )
    assert b"Traceback" not in done.stdout + done.stderr, (done.stdout + done.stderr).decode()
    result: dict[str, Any] = json.loads(done.stdout)
    # On its way to the controller a warning is a structure; its text is what a user sees.
    result["warnings"] = [warning["event"]["msg"] for warning in result.get("warnings", [])]
    return result
