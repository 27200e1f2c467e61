# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the module on a host whose systemd and Docker are played: who makes room, and what is remembered."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import (
    Container,
    NoAnswerError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.mask import MASK
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain import act
from ansible_collections.bulkhead.workspace.plugins.modules.docker_daemon_config import (
    DaemonConfigModule,
    RunningContainersError,
)

TALK = Container("ws-1", {"io.bulkhead.workspace.conversation": "1"})
DATABASE = Container("db")
DRAIN = {"workspaces": True, "others": [], "deadline": 0, "grace": 1}


@dataclass
class Machine:
    """Is the module, its engine and its host in one; `story` tells what happened, and whether the host was closed."""

    params: dict[str, Any]
    running: list[Container] = field(default_factory=list)
    silent: bool = False
    refused: str = "nonsense"
    story: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    check_mode: bool = False

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        if command[:2] == ["systemctl", "show"]:
            return 0, "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n", ""
        if "restart" in command:
            names = ", ".join(one.name for one in self.running)
            closed = "closed" if act.DRAIN_FILE.exists() else "open"
            self.story.append(f"restart with {names or 'nothing'}, {closed}")
            self.silent = False
            path = Path(self.params["path"])
            if path.exists() and self.refused in path.read_text():
                return 1, "", "no such option"
        return 0, "", ""

    def atomic_move(self, source: str, target: str) -> None:
        os.replace(source, target)  # noqa: PTH105

    def get_bin_path(self, _name: str, **_more: object) -> None:
        return None

    def backup_local(self, path: str) -> str:
        return f"{path}~"

    def warn(self, words: str) -> None:
        self.warnings.append(words)

    def info(self) -> dict[str, Any]:
        return {}

    def reloaded_since(self, _moment: float) -> bool:
        return True

    def containers(self) -> list[Container]:
        if self.silent:
            raise NoAnswerError("no answer")
        return list(self.running)

    def stop(self, name: str, _grace: int) -> None:
        self.story.append(f"stop {name}")
        self.running = [one for one in self.running if one.name != name]

    def go(self, **params: Any) -> dict[str, Any]:
        self.params = {**self.params, **params}
        module = DaemonConfigModule(self)  # type: ignore[arg-type]
        module.engine = self  # type: ignore[assignment]
        return module.run()

    def config(self) -> Any:
        return json.loads(Path(self.params["path"]).read_text())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(act, "DRAIN_FILE", tmp_path / "run" / "draining")
    return Machine(
        {
            "path": str(tmp_path / "daemon.json"),
            "state": "present",
            "record": str(tmp_path / "record.json"),
            "settings": {"icc": False},
            "remove": [],
            "restart": "idle",
            "started": True,
            "timeout": 1,
            "drain": None,
        }
    )


@pytest.mark.parametrize("restart", ["idle", "always"])
def test_conversations_are_drained_before_every_restart_that_may_drain_them(machine: Machine, restart: str) -> None:
    machine.running = [TALK]
    result = machine.go(restart=restart, drain=DRAIN)
    assert machine.story == ["stop ws-1", "restart with nothing, closed"]
    assert result["drained"]["stopped"] == ["ws-1"]
    assert not act.DRAIN_FILE.exists()


def test_a_stranger_keeps_only_an_idle_restart_back(machine: Machine) -> None:
    machine.running = [TALK, DATABASE]
    with pytest.raises(RunningContainersError):
        machine.go(drain=DRAIN)
    assert machine.story == []
    machine.go(restart="always", drain=DRAIN)
    assert machine.story == ["stop ws-1", "restart with db, closed"]


def test_without_consent_to_a_drain_nobody_is_waited_for(machine: Machine) -> None:
    machine.running = [TALK]
    assert machine.go(restart="always")["drained"] == {}
    assert machine.story == ["restart with ws-1, open"]


def test_a_daemon_that_does_not_answer_is_restarted_only_where_that_is_allowed_in_any_case(machine: Machine) -> None:
    machine.silent = True
    with pytest.raises(DaemonConfigError, match="it does not say which containers run"):
        machine.go(drain=DRAIN)
    machine.go(restart="always", drain=DRAIN)
    assert machine.story == ["restart with nothing, open"]
    assert "not drained" in machine.warnings[0]


def test_one_that_falls_silent_during_the_drain_is_not_restarted_without_that(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_silent(_name: str, _grace: int) -> None:
        raise NoAnswerError("no answer")

    machine.running = [TALK]
    monkeypatch.setattr(machine, "stop", fall_silent)
    with pytest.raises(DaemonConfigError, match="it fell silent while containers were to make room"):
        machine.go(drain=DRAIN)
    assert machine.story == [] and not act.DRAIN_FILE.exists() and not Path(machine.params["path"]).exists()


def test_a_runtime_is_taken_out_although_there_is_another(machine: Machine) -> None:
    machine.go(settings={"runtimes": {"runsc": {"path": "/usr/bin/runsc"}}})
    record = Path(machine.params["record"])
    assert record.stat().st_mode & 0o777 == 0o600
    others = {"nvidia": {"path": "/usr/bin/nvidia"}}
    Path(machine.params["path"]).write_text(json.dumps({"runtimes": {**machine.config()["runtimes"], **others}}))
    result = machine.go(state="absent", settings={})
    assert (result["changed"], result["foreign"]) == (True, [])
    assert machine.config() == {"runtimes": others}
    assert not record.exists()
    assert machine.go(state="absent", settings={})["changed"] is False


def test_what_has_stayed_is_remembered_until_it_can_go(machine: Machine) -> None:
    ours = {"icc": False, "runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}
    machine.go(settings=ours)
    config, record = Path(machine.params["path"]), Path(machine.params["record"])
    config.write_text(json.dumps({**ours, "runtimes": {"runsc": {"path": "/opt/runsc"}}}))
    first, second = (machine.go(state="absent", settings={}) for _again in range(2))
    assert [(run["changed"], run["foreign"]) for run in (first, second)] == [
        (True, ["runtimes/runsc"]),
        (False, ["runtimes/runsc"]),
    ]
    assert machine.config() == {"runtimes": {"runsc": {"path": "/opt/runsc"}}}
    assert list(json.loads(record.read_text())["keys"]) == ["runtimes/runsc"]
    config.write_text(json.dumps({"runtimes": ours["runtimes"]}))
    assert machine.go(state="absent", settings={})["foreign"] == []
    assert machine.config() == {} and not record.exists()


def test_what_is_named_no_more_goes_back_and_is_forgotten(machine: Machine) -> None:
    Path(machine.params["path"]).write_text('{"mtu": 1400}')
    machine.go(settings={"icc": False, "mtu": 1500, "bridge": "none"})
    result = machine.go(settings={"bridge": "none"})
    assert [change["key"] for change in result["differences"]] == ["icc", "mtu"]
    assert machine.config() == {"mtu": 1400, "bridge": "none"}
    assert not machine.go(settings={"bridge": "none"})["changed"]
    machine.go(state="absent")
    assert machine.config() == {"mtu": 1400}
    assert not Path(machine.params["record"]).exists()


@pytest.mark.parametrize("first", [{}, {"mtu": 1400}])
def test_what_docker_refused_is_not_remembered(machine: Machine, first: dict[str, Any]) -> None:
    if first:
        machine.go(settings=first)
    machine.refused = "9000"
    with pytest.raises(DaemonConfigError, match="no such option"):
        machine.go(settings={**first, "mtu": 9000})
    assert Path(machine.params["record"]).exists() == bool(first)
    if first:
        assert machine.config() == first
        assert machine.go(state="absent")["foreign"] == []
        assert machine.config() == {}


def test_what_no_daemon_has_run_with_is_not_forgotten(machine: Machine) -> None:
    machine.go(settings={"mtu": 1400, "icc": False})
    kept = Path(machine.params["record"]).read_text()
    assert machine.go(settings={"icc": False}, restart="never")["restart_pending"]
    assert Path(machine.params["record"]).read_text() == kept


def test_a_record_that_cannot_be_read_is_refused(machine: Machine) -> None:
    Path(machine.params["record"]).write_text("[]")
    with pytest.raises(DaemonConfigError, match=r"cannot read .*record\.json.*nothing was changed"):
        machine.go()


def test_neither_diff_nor_result_tells_a_secret(machine: Machine) -> None:
    before = {"log-opts": {"splunk-token": "old-pass", "max-size": "1m"}, "proxies": {"http-proxy": "old-pass"}}
    Path(machine.params["path"]).write_text(json.dumps(before))
    settings = {"log-opts": {"splunk-token": "new-pass"}, "proxies": {"https-proxy": "new-pass"}}
    result = machine.go(settings=settings)
    assert "-pass" not in json.dumps([result["diff"], result["differences"]])
    assert {change["key"]: (change["before"], change["after"]) for change in result["differences"]} == {
        "log-opts/splunk-token": (MASK, f"{MASK} (another)"),
        "proxies/https-proxy": (None, MASK),
    }
    assert result["diff"]["before"] != result["diff"]["after"]
    assert "new-pass" in str(machine.config())
