# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json as text: refusals name file, place and cure."""

from __future__ import annotations

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.document import parse, render
from ansible_collections.bulkhead.workspace.plugins.module_utils._daemon_config.errors import DaemonConfigError

PATH = "/etc/docker/daemon.json"


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_holds_no_settings(text: str) -> None:
    assert parse(text, PATH) == {}


def test_rendering_keeps_order_and_letters() -> None:
    document = {"mtu": 1400, "dns": [], "labels": ["ort=Zürich"]}
    assert list(parse(render(document), PATH)) == ["mtu", "dns", "labels"]
    assert "Zürich" in render(document)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('{\n  "icc": false\n  "mtu": 1400\n}\n', "not JSON, line 3, column 3"),
        ("[]", "line 1: the file holds a list, not an object"),
        ('{"icc": true, "icc": false}', "the key 'icc' stands twice in one object"),
    ],
)
def test_a_broken_file_is_refused_with_place_and_cure(text: str, cause: str) -> None:
    with pytest.raises(DaemonConfigError) as refusal:
        parse(text, PATH)
    message = str(refusal.value)
    assert message.startswith(f"cannot read {PATH}: {cause}")
    assert message.endswith("correct the file by hand, or move it away if it is not needed; nothing was changed")
