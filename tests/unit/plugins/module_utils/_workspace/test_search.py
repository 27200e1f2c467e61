# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for secrets, in the real memory, environment and files of a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import credentials, search
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError

SECRET = "sk-test-" + "q7" * 12
# The secret is put together inside, so that it is not in the program's own text.
HOLDER = "import time; kept = 'sk-test-' + 'q7' * 12; print('ready', flush=True); time.sleep(60)"
IDLE = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def holder(request: pytest.FixtureRequest) -> Iterator[int]:
    """A process that runs the given program, in the given environment."""
    program, environment = request.param
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", program], stdout=subprocess.PIPE, env=environment, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("holder", [(HOLDER, {})], indirect=True)
def test_a_secret_in_memory_is_found(holder: int, tmp_path: Path) -> None:
    found = search.search(holder, [SECRET.encode()], [str(tmp_path)])
    [hit] = found.hits
    assert hit.startswith("memory of python")
    assert SECRET not in repr(found)
    assert found.bytes_searched > 1_000_000
    assert found.processes == 1


@pytest.mark.parametrize("holder", [(IDLE, {"HARMLESS": SECRET})], indirect=True)
def test_a_secret_in_the_environment_is_found(holder: int, tmp_path: Path) -> None:
    found = search.search(holder, [SECRET.encode()], [str(tmp_path)])
    assert any(hit.startswith("environment of") for hit in found.hits)


@pytest.mark.parametrize("holder", [(IDLE, {})], indirect=True)
def test_a_secret_in_a_file_is_found_but_not_through_a_link(holder: int, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(SECRET)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    assert search.search(holder, [SECRET.encode()], [str(tree)]).hits == ()
    # Across the border of two chunks, where a naive search would miss it.
    (tree / "file").write_bytes(b"." * (search.CHUNK - 5) + SECRET.encode())
    assert search.search(holder, [SECRET.encode()], [str(tree)]).hits == (f"a file in {tree}",)


@pytest.mark.parametrize("holder", [(IDLE, {})], indirect=True)
def test_a_search_that_reached_its_bound_says_so(holder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MEMORY_LIMIT", 4096)
    monkeypatch.setattr(search, "FILE_COUNT_LIMIT", 1)
    for name in "ab":
        (tmp_path / name).write_text("nothing")
    found = search.search(holder, [SECRET.encode()], [str(tmp_path)])
    assert len(found.incomplete) == 2


def test_needles_come_from_plain_and_structured_secrets(tmp_path: Path) -> None:
    assert credentials.needles(b"sk-ant-0123456789\n") == {b"sk-ant-0123456789"}
    structured = b'{"access_key": "AKIA0123456789AB", "secret": ["s3cr3t/0123456789"], "region": "eu"}'
    assert {b"AKIA0123456789AB", b"s3cr3t/0123456789"} <= credentials.needles(structured)
    short = tmp_path / "short"
    short.write_text("abc")
    with pytest.raises(WorkspaceError, match="shorter ones occur by chance"):
        search.read_needles([str(short)])
    with pytest.raises(WorkspaceError, match="cannot read secret file"):
        search.read_needles([str(tmp_path / "missing")])


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"ANTHROPIC_API_KEY": "sk-x"}, ["ANTHROPIC_API_KEY"]),
        ({"ANTHROPIC_API_KEY": "placeholder"}, []),
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, ["AWS_ACCESS_KEY_ID"]),
        ({"GH_TOKEN": "x", "MY_PASSWORD": "y"}, ["GH_TOKEN", "MY_PASSWORD"]),
        ({"PATH": "/bin", "KEYBOARD": "us", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9080"}, []),
    ],
)
def test_credentials_are_known_by_their_names(environment: dict[str, str], found: list[str]) -> None:
    assert credentials.suspicious(environment) == found


@pytest.mark.parametrize("holder", [(IDLE, {})], indirect=True)
def test_a_tree_too_deep_to_be_walked_is_told(holder: int, tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _level in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        found = search.search(holder, [SECRET.encode()], [str(tmp_path)])
        assert found.incomplete or found.files == 0
        assert found.processes == 1
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


@pytest.mark.parametrize("holder", [(IDLE, {})], indirect=True)
def test_the_memory_of_all_processes_has_a_limit(holder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "ALL_MEMORY_LIMIT", 1 << 20)
    found = search.search(holder, [SECRET.encode()], [str(tmp_path)])
    assert found.bytes_searched < 3 << 20
    assert any("in all" in left for left in found.incomplete)
