# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees that are compared, lines of fstab, the units, and the note."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root import fstab, note, units
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.errors import DataRootError
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import Host, guarded
from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.trees import compare

FSTAB = """# a comment with /srv in it
UUID=1 / ext4 defaults 0 1
/dev/vdb\t/srv  xfs   defaults,noatime  0 0 # ours
/dev/vdc /with\\040space xfs noquota 0 0
"""


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A tree with a bit of everything that a plain user can make, and a true copy."""
    left, right = tmp_path / "left", tmp_path / "right"
    (left / "folder").mkdir(parents=True)
    (left / "file").write_text("content")
    os.link(left / "file", left / "folder" / "same")
    (left / "link").symlink_to("file")
    os.mkfifo(left / "pipe")
    os.setxattr(left / "file", "user.origin", b"east")
    subprocess.run(["cp", "--archive", "--preserve=xattr", str(left), str(right)], check=True)
    return left, right


def test_a_true_copy_is_the_same(trees: tuple[Path, Path]) -> None:
    found = compare(*trees)
    assert (found.entries, found.bytes, found.different) == (6, len("content"), ())


def rewrite(path: Path, text: str) -> None:
    """Same length, same times: only the content tells."""
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda tree: rewrite(tree / "file", "CONTENT"), "file"),
        (lambda tree: (tree / "folder").chmod(0o700), "folder"),
        (lambda tree: os.removexattr(tree / "file", "user.origin"), "file"),
        (lambda tree: os.utime(tree / "file", ns=(1, 1)), "file"),
        (lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("pipe")), "link"),
        (lambda tree: (tree / "pipe").unlink(), "pipe"),
        (lambda tree: (tree / "more").touch(), "more"),
        (
            lambda tree: (
                (tree / "folder" / "same").unlink(),
                shutil.copy2(tree / "file", tree / "folder" / "same"),
            ),
            "folder/same",
        ),
    ],
)
def test_whatever_a_careless_copy_loses_is_named(trees: tuple[Path, Path], spoil: object, named: str) -> None:
    spoil(trees[1])  # type: ignore[operator]
    assert named in compare(*trees).different


def test_only_one_option_of_one_line_changes() -> None:
    changed = fstab.change(FSTAB, "/srv")
    assert changed == FSTAB.replace("defaults,noatime ", "noatime,pquota ")
    assert fstab.change(changed, "/srv") == changed
    line = fstab.line_for(changed, "/srv")
    assert line and fstab.replace_line(changed, line, fstab.line_for(FSTAB, "/srv") or "") == FSTAB


def test_an_option_against_quotas_goes() -> None:
    assert "/with\\040space xfs pquota 0 0" in fstab.change(FSTAB, "/with space")


def test_what_fstab_does_not_mount_is_left_alone() -> None:
    assert fstab.line_for(FSTAB, "/var") is None
    assert fstab.change(FSTAB, "/var") == FSTAB


def test_the_mount_unit_has_the_name_that_systemd_gives_it() -> None:
    assert units.unit_name("/var/lib/docker-data") == "var-lib-docker\\x2ddata.mount"
    text = units.mount_text("/var/lib/docker", "/dev/disk/by-uuid/1", loop=False)
    assert units.source_of(text) == "/dev/disk/by-uuid/1"
    assert "Options=pquota\n" in text


def test_a_mount_unit_of_the_hosts_own_is_not_taken_for_the_roles() -> None:
    assert units.source_of("[Unit]\nDescription=Data\n[Mount]\nWhat=/dev/sdb\n") == ""


def test_half_a_note_is_none(tmp_path: Path) -> None:
    path = tmp_path / "note"
    assert note.read(path) is None
    written = note.Note("convert", "/var/lib/docker.xfs", True)
    note.write(path, written)
    assert note.read(path) == written
    path.write_text('{"act": "con')
    assert note.read(path) is None


def test_the_guard_acts_when_its_process_dies_and_only_then(tmp_path: Path) -> None:
    with guarded(f"touch {tmp_path}/peaceful"):
        pass
    program = (
        "import os\n"
        "from ansible_collections.bulkhead.workspace.plugins.module_utils._data_root.host import guarded\n"
        f"with guarded('touch {tmp_path}/killed'):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[5] / ".ansible" / "collections")}
    subprocess.run(["python3", "-c", program], env=environment)
    # The guard closes nothing that could be waited for; a reader of its pipe would be the guard itself.
    subprocess.run(["timeout", "10", "sh", "-c", f"until [ -e {tmp_path}/killed ]; do sleep 0.05; done"], check=True)
    assert not (tmp_path / "peaceful").exists()


def test_a_file_is_replaced_in_one_step_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "fstab"
    file.write_text("old")
    file.chmod(0o600)
    host = Host(lambda _command: (0, "", ""))
    assert host.write(file, "new") and not host.write(file, "new")
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_host_without_docker_has_nothing_to_stop() -> None:
    Host(lambda _command: (5, "", "Failed to stop docker.socket: Unit docker.socket not loaded.")).stop_docker()
    with pytest.raises(DataRootError, match=r"cannot have systemd stop docker.socket: Job failed"):
        Host(lambda _command: (1, "", "Job failed")).stop_docker()
