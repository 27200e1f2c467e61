# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree packed and unpacked is the same; GNU tar agrees; an archive made by an attacker writes nothing outside."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive import content, pack, survey, tree, unpack
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.errors import ArchiveError
from ansible_collections.bulkhead.workspace.plugins.module_utils._archive.ids import Ids

NOBODY_MAPPED = Ids()


def packed(root: Path, limit: int | None = None) -> tuple[bytes, dict[str, Any]]:
    sink = io.BytesIO()
    summary = pack.pack(tree.walk(root, NOBODY_MAPPED), sink, limit=limit)
    return sink.getvalue(), summary


def unpacked(tar: bytes, target: Path) -> dict[str, Any]:
    target.mkdir()
    descriptor = os.open(target, tree.OPEN_DIRECTORY)
    try:
        unpack.unpack(io.BytesIO(tar), descriptor, NOBODY_MAPPED)
    finally:
        os.close(descriptor)
    return survey.summed_up(tree.walk(target, NOBODY_MAPPED))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One of everything that a workspace can hold."""
    root = tmp_path / "workspace"
    (root / "src" / "deep" / "er").mkdir(parents=True)
    (root / "src" / "main.py").write_text("print('hello')\n")
    (root / "src" / "empty").touch()
    (root / "big").write_bytes(os.urandom(content.BLOCK * 3 + 17))
    os.link(root / "big", root / "src" / "same as big")
    (root / "to nowhere").symlink_to("/no/such/place")
    (root / "out").symlink_to("/etc")
    (root / os.fsdecode(b"not utf-8 \xff")).write_text("x")
    (root / ("long " * 40)).write_text("a name of 200 bytes")
    (root / "line\nbreak").symlink_to(os.fsdecode(b"\xfe"))
    os.mkfifo(root / "fifo", 0o640)
    (root / "src" / "run").write_text("#!/bin/sh\n")
    (root / "src" / "run").chmod(0o4751)
    (root / "closed").mkdir()
    (root / "closed" / "inside").write_text("still readable")
    (root / "closed" / "inside").chmod(0o000)
    with (root / "sparse").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"at the end of a terabyte")
    with (root / "only a hole").open("wb") as file:
        file.truncate(1 << 30)
    with (root / "hole at the end").open("wb") as file:
        file.write(b"begin")
        file.truncate(1 << 20)
    os.utime(root / "src" / "main.py", ns=(1, 1_600_000_000_123_456_789))
    os.utime(root / "src" / "deep", ns=(1, -1_500_000_000))
    (root / "closed").chmod(0o500)
    return root


def test_a_tree_comes_back_the_same(workspace: Path, tmp_path: Path) -> None:
    tar, summary = packed(workspace)
    back = tmp_path / "back"
    assert unpacked(tar, back) == summary == survey.summed_up(tree.walk(workspace, NOBODY_MAPPED))
    assert summary["entries"] == {"directory": 5, "fifo": 1, "file": 10, "hard_link": 1, "symlink": 3}
    assert (back / "src" / "main.py").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (back / "src" / "deep").stat().st_mtime_ns == -1_500_000_000
    assert (back / "src" / "run").stat().st_mode & 0o7777 == 0o4751
    assert (back / "closed").stat().st_mode & 0o7777 == 0o500
    assert (back / "big").stat().st_ino == (back / "src" / "same as big").stat().st_ino
    assert (back / "out").readlink() == Path("/etc")


def test_holes_stay_holes_and_cost_nothing(workspace: Path, tmp_path: Path) -> None:
    tar, _ = packed(workspace)
    assert len(tar) < 1 << 20
    unpacked(tar, tmp_path / "back")
    status = (tmp_path / "back" / "sparse").stat()
    assert status.st_size == (1 << 40) + 24
    assert status.st_blocks * 512 < 1 << 20


def test_gnu_tar_reads_it_too(workspace: Path, tmp_path: Path) -> None:
    tar, summary = packed(workspace)
    back = tmp_path / "back"
    back.mkdir()
    subprocess.run(["tar", "-xp", "-C", back], input=tar, check=True)
    assert survey.summed_up(tree.walk(back, NOBODY_MAPPED)) == summary


@pytest.mark.parametrize("act", ["content", "mode", "time", "name", "link", "truncate"])
def test_any_change_shows_in_the_digest(workspace: Path, act: str) -> None:
    before = survey.summed_up(tree.walk(workspace, NOBODY_MAPPED))
    file = workspace / "src" / "main.py"
    time = file.stat().st_mtime_ns
    if act == "content":
        file.write_text("print('hellO')\n")
        os.utime(file, ns=(time, time))
    elif act == "mode":
        file.chmod(0o600)
    elif act == "time":
        os.utime(file, ns=(time, time + 1))
    elif act == "name":
        file.rename(file.with_name("main2.py"))
    elif act == "link":
        (workspace / "out").unlink()
        (workspace / "out").symlink_to("/etc/")
    else:
        os.truncate(workspace / "only a hole", (1 << 30) - 1)
    assert survey.summed_up(tree.walk(workspace, NOBODY_MAPPED))["sha256"] != before["sha256"]


def test_where_the_holes_are_does_not_matter(tmp_path: Path) -> None:
    data = b"x" * 5 + bytes(content.BLOCK * 4) + b"y"
    for name in ("dense", "sparse"):
        (tmp_path / name).mkdir()
    (tmp_path / "dense" / "file").write_bytes(data)
    with (tmp_path / "sparse" / "file").open("wb") as file:
        file.write(data[:5])
        file.seek(len(data) - 1)
        file.write(b"y")
    sums = []
    for name in ("dense", "sparse"):
        os.utime(tmp_path / name / "file", ns=(1, 1))
        sums.append(survey.summed_up(tree.walk(tmp_path / name, NOBODY_MAPPED)))
    assert sums[0] == sums[1]


def test_a_socket_is_left_out(tmp_path: Path) -> None:
    root = tmp_path / "w"
    root.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "listening"))
        assert packed(root)[1]["entries"] == {"directory": 1}
        seen = survey.survey(tree.walk(root, NOBODY_MAPPED), None)
    assert seen.left_out == [{"path": "listening", "kind": "socket"}]


def test_more_than_the_limit_is_refused(workspace: Path) -> None:
    with pytest.raises(ArchiveError, match="more than 1000 bytes; remove some, or raise size_limit"):
        packed(workspace, limit=1000)
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        survey.survey(tree.walk(workspace, NOBODY_MAPPED), 1000)


def test_a_file_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "w"
    root.mkdir()
    (root / "a").write_text("long enough")
    walk = tree.walk(root, NOBODY_MAPPED)
    found = [next(walk), next(walk)]
    (root / "a").write_text("no")
    with pytest.raises(ArchiveError, match=r"'a': it changed while it was read"):
        pack.pack(found, io.BytesIO(), limit=None)


def test_a_file_that_becomes_a_link_meanwhile_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "w"
    root.mkdir()
    (root / "a").write_text("x")
    walk = tree.walk(root, NOBODY_MAPPED)
    found = [next(walk), next(walk)]
    (root / "a").unlink()
    (root / "a").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic link"):
        pack.pack(found, io.BytesIO(), limit=None)


def test_a_tree_that_is_too_deep_is_refused(tmp_path: Path) -> None:
    here = os.open(tmp_path, tree.OPEN_DIRECTORY)
    for _ in range(tree.DEEPEST + 5):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", tree.OPEN_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(ArchiveError, match="directories deep"):
        list(tree.walk(tmp_path, NOBODY_MAPPED))


def crafted(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            info.size = len(data)
            info.uid, info.gid = os.getuid(), os.getgid()
            tar.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([(member("../escaped"), b"x")], "leads out of the workspace"),
        ([(member("a/../../escaped"), b"x")], "leads out of the workspace"),
        ([(member("//escaped"), b"x")], "leads out of the workspace"),
        ([(member("link", tarfile.SYMTYPE, ".."), b""), (member("link/escaped"), b"x")], "leads through a link"),
        ([(member("hard", tarfile.LNKTYPE, "../victim"), b"")], "leads out of the workspace"),
        (
            [(member("up", tarfile.SYMTYPE, ".."), b""), (member("hard", tarfile.LNKTYPE, "up/victim"), b"")],
            "leads through a link",
        ),
        ([(member("link", tarfile.SYMTYPE, "../victim"), b""), (member("link"), b"overwritten")], "File exists"),
        ([(member("disk", tarfile.BLKTYPE), b"")], "neither a file, a directory, a link nor a FIFO"),
        ([(member("null", tarfile.CHRTYPE), b"")], "neither a file, a directory, a link nor a FIFO"),
    ],
)
def test_an_evil_archive_writes_nothing_outside(
    members: list[tuple[tarfile.TarInfo, bytes]], told: str, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    with pytest.raises(ArchiveError, match=told):
        unpacked(crafted(*members), tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "victim"]
    assert victim.read_text() == "untouched"
    assert victim.stat().st_nlink == 1


def test_an_archive_that_is_cut_off_is_an_error(workspace: Path, tmp_path: Path) -> None:
    tar, _ = packed(workspace)
    for number, end in enumerate((0, 100, 5000, len(tar) // 2)):
        with pytest.raises(ArchiveError, match="damaged or cut off"):
            unpacked(tar[:end], tmp_path / f"back{number}")
