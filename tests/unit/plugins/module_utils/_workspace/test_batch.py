# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a batch, and what is questionable about an image."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import image_scan
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.batch import batch_result
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import (
    InvalidRequestError,
    LayerNotInForceError,
    WorkspaceError,
)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.parameters import defaults
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.plan import Act, Action, Plan
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.service import Outcome
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.specification import Image
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.wish import build_wishes

LAYERS = {"L3": {"status": "not_enforced", "evidence": "no quota"}}
WISHES = build_wishes({**defaults(), "image": "any"}, [{"conversation_id": name} for name in "abcd"])
DONE = Outcome(plan=Plan(actions=(Action(Act.START, "ws-a"),)), warnings=("careful",))


def test_one_that_fails_fails_the_task_and_names_itself() -> None:
    told = batch_result(
        WISHES,
        [DONE, WorkspaceError("cannot b"), InvalidRequestError("c", ["x", "y"]), LayerNotInForceError("d", LAYERS)],
    )
    assert (told["failed"], told["changed"]) == (True, True)
    assert told["msg"].startswith("cannot keep 3 of 4 workspaces:\n  - b: cannot b\n  - c: cannot c:")
    assert [entry["failed"] for entry in told["workspaces"]] == [False, True, True, True]
    assert told["workspaces"][0]["warnings"] == ["careful"]
    assert told["workspaces"][2]["problems"] == ["x", "y"]
    assert told["workspaces"][3]["layers"] == LAYERS
    assert [entry["before_header"] for entry in told["diff"]] == ["a"]


def test_without_a_failure_there_is_none_in_the_result() -> None:
    told = batch_result(WISHES[:1], [Outcome(plan=Plan())])
    assert (told["changed"], told.get("failed"), told.get("msg")) == (False, None, None)


@pytest.mark.parametrize(
    ("user", "root"),
    [
        ("", True),
        ("root", True),
        ("0", True),
        ("0:0", True),
        ("root:staff", True),
        ("1000:1000", False),
        ("app", False),
    ],
)
def test_an_image_without_a_user_is_root_s(user: str, root: bool) -> None:
    assert image_scan.runs_as_root(Image(id="sha256:1", user=user)) is root


def test_setuid_files_are_found_once_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "proc" / "7" / "root"
    (root / "usr" / "bin").mkdir(parents=True)
    for name, mode in (("su", 0o4755), ("wall", 0o2755), ("ls", 0o755)):
        (root / "usr" / "bin" / name).touch()
        (root / "usr" / "bin" / name).chmod(mode)
    (root / "usr" / "link").symlink_to("bin/su")
    monkeypatch.setattr(image_scan.kernel, "PROC", tmp_path / "proc")
    image = Image(id="sha256:abc")
    assert image_scan.setuid_files(image, 7, tmp_path / "notes") == ("/usr/bin/su", "/usr/bin/wall")
    (root / "usr" / "bin" / "su").unlink()
    assert image_scan.setuid_files(image, 7, tmp_path / "notes") == ("/usr/bin/su", "/usr/bin/wall")
