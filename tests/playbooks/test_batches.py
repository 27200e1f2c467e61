# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batches of a roll-out: the plays' own words, on hosts that need not be there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from faults.machine import ROOT, ansible_environment

PLAYBOOKS = ["site", "rollback"]


def batches(home: Path, playbook: str, *more: str) -> list[list[str]]:
    """The hosts of each batch, by the play of a playbook of ours with everything left out that it would do."""
    (play,) = [
        play for play in yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text()) if "serial" in play
    ]
    kept = {key: play[key] for key in ("name", "hosts", "gather_facts", "serial", "max_fail_percentage")}
    told = {"ansible.builtin.debug": {"msg": "batch {{ ansible_play_batch | to_json }}"}, "run_once": True}
    fails = {"ansible.builtin.fail": {"msg": "x"}, "when": "inventory_hostname == broken | default('')"}
    (home / "play.yml").write_text(json.dumps([{**kept, "tasks": [told, fails]}]))
    inventory = home / "inventory.json"
    hosts = {f"ws-{number}": {"ansible_connection": "local"} for number in range(1, 9)}
    inventory.write_text(json.dumps({"workspace_hosts": {"hosts": hosts}}))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), *more, str(home / "play.yml")],
        cwd=ROOT,
        env=ansible_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    found = re.findall(r"batch (\[.*?\])", done.stdout)
    assert found, done.stdout + done.stderr
    return [json.loads(batch) for batch in found]


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_canary_goes_first(tmp_path: Path, playbook: str) -> None:
    assert [len(batch) for batch in batches(tmp_path, playbook)] == [1, 2, 2, 2, 1]


def test_the_command_line_has_its_way(tmp_path: Path) -> None:
    assert [len(batch) for batch in batches(tmp_path, "site", "-e", "workspace_serial=4")] == [4, 4]
    pattern = batches(tmp_path, "site", "-e", '{"target": "ws-3:ws-5", "workspace_serial": "100%"}')
    assert pattern == [["ws-3", "ws-5"]]


def test_a_batch_that_fails_is_the_last(tmp_path: Path) -> None:
    assert [len(batch) for batch in batches(tmp_path, "site", "-e", "broken=ws-2")] == [1, 2]


def test_as_many_may_fail_as_the_command_line_says(tmp_path: Path) -> None:
    found = batches(tmp_path, "site", "-e", "broken=ws-2", "-e", "workspace_max_fail_percentage=60")
    assert [len(batch) for batch in found] == [1, 2, 2, 2, 1]
