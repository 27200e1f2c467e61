# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may be stopped, who is, and that a host fills again."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.engine import Container
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain import act
from ansible_collections.bulkhead.workspace.plugins.module_utils._drain.wish import DrainWish, obstacles

TALK = Container("ws-1", {"io.bulkhead.workspace.conversation": "1"})
DATABASE = Container("db")


class FakeEngine:
    """Keeps a list of running containers."""

    def __init__(self, *running: Container) -> None:
        self.running = list(running)
        self.started: list[str] = []
        self.graces: list[int] = []

    def containers(self) -> list[Container]:
        return list(self.running)

    def stop(self, name: str, grace: int) -> None:
        self.graces.append(grace)
        self.running = [one for one in self.running if one.name != name]

    def start(self, name: str) -> None:
        self.started.append(name)


@pytest.fixture(autouse=True)
def flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(act, "DRAIN_FILE", tmp_path / "run" / "draining")
    return tmp_path / "run" / "draining"


def test_nobody_is_stopped_without_consent() -> None:
    said = obstacles([TALK, DATABASE], DrainWish(), act="stop docker")
    assert "conversations are running (ws-1)" in said[0]
    assert "containers are running (db)" in said[1]


def test_consent_for_conversations_is_none_for_others() -> None:
    (said,) = obstacles([TALK, DATABASE], DrainWish(workspaces=True), act="stop docker")
    assert "(db)" in said
    assert obstacles([TALK, DATABASE], DrainWish(workspaces=True, others=frozenset({"db"})), act="stop docker") == []


def test_the_host_is_emptied_closed_and_filled_again(flag: Path) -> None:
    engine = FakeEngine(TALK, DATABASE)
    wish = DrainWish(workspaces=True, others=frozenset({"db"}), deadline=0, grace=7)
    with act.drained(engine, wish, why="a test", active=True) as result:  # type: ignore[arg-type]
        assert engine.running == []
        assert "a test" in flag.read_text()
    assert not flag.exists()
    assert engine.graces == [7, 7]
    assert result.stopped == ["ws-1"]
    assert result.others == result.back == engine.started == ["db"]


def test_an_idle_host_is_not_closed(flag: Path) -> None:
    with act.drained(FakeEngine(), DrainWish(), why="a test", active=True):  # type: ignore[arg-type]
        assert not flag.exists()


def test_the_flag_goes_also_when_the_work_fails(flag: Path) -> None:
    wish = DrainWish(workspaces=True, deadline=0)
    with pytest.raises(ValueError), act.drained(FakeEngine(TALK), wish, why="x", active=True):  # type: ignore[arg-type]
        raise ValueError
    assert not flag.exists()
