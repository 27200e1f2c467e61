# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole site: a conversation that speaks to the model API and to nothing else, the report, and the refusals."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://bare"]

KEY = "sk-ant-site-0123456789abcdef"
REQUEST = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
CHANGED = re.compile(r"changed=(\d+)")


def in_container(host: Host, command: str) -> str:
    """Run a shell command in the conversation's container and return what it prints."""
    return str(host.check_output("docker exec ws-site sh -c %s", command))


def playbook(name: str, *variables: str) -> tuple[int, str]:
    """Run a playbook of the collection on this scenario's hosts; exit status and output on one line."""
    inventory = str(Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent)
    command = ["ansible-playbook", f"bulkhead.workspace.{name}", "-i", inventory]
    for variable in variables:
        command += ["-e", variable]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split()).replace("''", "'")


def test_a_streamed_answer_comes_through_the_only_door(host: Host) -> None:
    answer = in_container(host, f"curl -sS http://127.0.0.1:9080/v1/messages -d '{json.dumps(REQUEST)}'")
    events = [line.removeprefix("event: ") for line in answer.splitlines() if line.startswith("event: ")]
    assert events[0] == "message_start" and events[-1] == "message_stop", answer
    assert KEY not in answer


def test_the_key_reached_the_model_api_and_not_the_container(host: Host) -> None:
    in_container(host, f"curl -sS http://127.0.0.1:9080/v1/messages -d '{json.dumps(REQUEST)}'")
    ask = "curl -sS --cacert /opt/model_api/ca.pem --resolve api.test:8443:127.0.0.1 https://api.test:8443/seen"
    assert KEY in host.check_output(ask)
    # The same search finds the key where it is.
    look = "grep -rlsF %s /proc/self/environ /home /workspace /opt/venv /run /etc /tmp; true"
    assert in_container(host, look % KEY) == ""
    control = f"echo {KEY} > /tmp/control; grep -lsF {KEY} /tmp/control; rm /tmp/control"
    assert in_container(host, control) == "/tmp/control"


def test_nothing_else_can_be_reached(host: Host) -> None:
    assert in_container(host, "cat /proc/net/route | tail -n +2") == ""
    refused = in_container(host, "curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:9080/v1/files")
    assert refused == "403"


def test_docker_never_starts_without_its_quota_file_system(host: Host) -> None:
    """After the reboot of this scenario, Docker's data root is the file system with project quotas."""
    options = host.check_output("findmnt --noheadings --output FSTYPE,OPTIONS --target /var/lib/docker")
    assert options.startswith("xfs") and "prjquota" in options
    required = host.check_output("systemctl show --property RequiresMountsFor --value docker.service")
    assert "/var/lib/docker" in required.split()


def test_the_report_names_every_layer_as_enforced() -> None:
    report = json.loads((Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "report.json").read_text())
    (conversation,) = report["hosts"]["bare"]["conversations"].values()
    seven = {name: layer["status"] for name, layer in conversation["layers"].items() if name != "runtime"}
    assert seven == {f"L{number}": "enforced" for number in range(1, 8)}
    assert all(layer["evidence"] for layer in conversation["layers"].values())


def test_the_figures_are_the_kernel_s(host: Host) -> None:
    """After the reboot of this scenario, by the timer's own service."""
    assert host.check_output("systemctl is-active workspace_metrics.timer") == "active"
    host.check_output("systemctl start workspace_metrics.service")
    lines = [line for line in host.file("/srv/metrics/bulkhead.prom").content_string.splitlines() if line[0] != "#"]
    told = dict(line.rsplit(" ", 1) for line in lines)
    layers = {name: value for name, value in told.items() if name.startswith("bulkhead_layer_enforced")}
    assert len(layers) == 7 and set(layers.values()) == {"1"}, layers
    group = in_container(host, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max").split()
    named = '{conversation="site"}'
    assert [told[f"bulkhead_{name}{named}"] for name in ("memory_limit_bytes", "processes_limit")] == group
    assert int(told['bulkhead_disk_limit_bytes{conversation="site",path="/workspace"}']) > 0
    assert (told["bulkhead_up"], told["bulkhead_proxy_up"]) == ("1", "1")
    assert int(told["credential_proxy_conversations"]) >= 1


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("apparmor_mode=complain", ["bare", "L2", "set apparmor_mode to enforce"]),
        ("credential_proxy_python=/usr/bin/python2", ["bare", "cannot run /usr/bin/python2", "credential_proxy_p"]),
    ],
)
def test_the_roll_out_refuses_before_its_first_change(variable: str, words: list[str]) -> None:
    status, output = playbook("site", variable)
    assert status != 0
    assert [word for word in words if word not in output] == [], output
    assert set(CHANGED.findall(output)) == {"0"}


def test_a_missing_image_is_named_with_its_cure(host: Host) -> None:
    before = host.check_output("docker ps --all --quiet; docker volume ls --quiet")
    status, output = playbook("workspace", "conversation_id=other", "workspace_image=none/such:1")
    assert status != 0
    assert "none/such:1" in output and "bare" in output and "docker load" in output and "pull: true" in output
    assert host.check_output("docker ps --all --quiet; docker volume ls --quiet") == before
