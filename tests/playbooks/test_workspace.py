# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of one conversation: which requests it takes, and who gets workspace_defaults. No host has a Docker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults.machine import ROOT, ansible_environment

from .test_preflight import play

HOSTS: dict[str, dict[str, Any]] = {"one": {}, "two": {}}
REFUSED = "2 hosts are in the play, and each would have a container of it; nothing was changed; add --limit HOST"
# None of them answers, which is as far as a request gets that was taken.
TAKEN = "Keep the container in the state wanted"


@pytest.mark.parametrize(
    ("more", "taken"),
    [
        (["-e", "workspace_image=image"], False),
        (["-e", "workspace_state=stopped", "-e", "workspace_image=image"], False),
        (["-e", "workspace_image=image", "--limit", "one"], True),
        (["-e", "workspace_image=image", "-e", "target=two"], True),
        (["-e", "workspace_state=absent"], True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_conversation_begins_on_one_host(tmp_path: Path, more: list[str], taken: bool) -> None:
    status, output = play(tmp_path, HOSTS, "-e", "conversation_id=talk", *more, name="workspace")
    assert status != 0
    assert (TAKEN in output, REFUSED in output) == (taken, not taken), output


def test_defaults_reach_only_the_module_that_knows_them(tmp_path: Path) -> None:
    """The proof of a roll-out attacks its container with a module that has no such option as memory."""
    nowhere = {"memory": "4g", "docker_host": f"unix://{tmp_path}/docker.sock"}
    tasks = [{"ansible.builtin.import_tasks": str(ROOT / "playbooks" / "tasks" / "rollout_prove.yml")}]
    file = tmp_path / "play.yml"
    file.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(file)),
            *("-e", json.dumps({"workspace_defaults": nowhere, "ansible_python_interpreter": sys.executable})),
            *("--start-at-task", "Attack it"),
        ],
        cwd=ROOT,
        env=ansible_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    output = " ".join((done.stdout + done.stderr).split())
    assert "Unsupported parameters" not in output
    assert output.count("msg: 'cannot connect to Docker at unix://") == 2, output
