# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is found to have come to an end, among what killed tasks have left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import activity, names, reap
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.reap import Ended, Settings

OLD = "2026-01-05T08:15:00Z"


class Docker:
    """A host with these containers and volumes."""

    def __init__(self, containers: list[str], volumes: list[str]) -> None:
        self._containers, self._volumes = containers, volumes

    def managed_containers(self) -> list[dict[str, Any]]:
        return [
            {
                "Id": name,
                "Name": f"/{name}",
                "Created": OLD,
                "State": {"Running": False, "Status": "exited", "Pid": 0, "FinishedAt": OLD},
                "Config": {"Labels": {names.MANAGED: "true", names.CONVERSATION: "x", names.EXPIRES_AFTER: "60"}},
            }
            for name in self._containers
        ]

    def volumes(self, *, label: str) -> dict[str, Any]:
        assert label.startswith(names.MANAGED)
        return {name: {"Labels": {names.CONVERSATION: "x"}, "CreatedAt": OLD} for name in self._volumes}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        (["ws-x"], ("ws-x", "expired")),
        (["ws-x", "ws-x.replaced"], ("ws-x", "expired")),
        (["ws-x.replaced", "ws-x"], ("ws-x", "expired")),
        (["ws-x.replaced"], (None, "orphan")),
    ],
)
def test_what_a_killed_replacement_left_stands_in_nobody_s_way(
    containers: list[str], expected: tuple[str | None, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def remove(
        _driver: Any, _settings: Any, conversation: str, reason: str, container: str | None, **_more: Any
    ) -> Ended:
        seen.append((container, reason.partition(":")[0].partition(" ")[0]))
        return Ended(conversation_id=conversation, reason=reason)

    monkeypatch.setattr(reap, "_remove", remove)
    monkeypatch.setattr(activity, "look", lambda *_arguments: {})
    settings = Settings(proxy_control_socket=str(tmp_path / "none"), audit_log=str(tmp_path / "log"))
    reap.reap(Docker(containers, ["ws-x-workspace"]), settings, dry_run=True)  # type: ignore[arg-type]
    assert seen == [expected]
