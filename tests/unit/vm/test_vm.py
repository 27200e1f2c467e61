# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the VM program that need no VM: recipe, mirror, choice of engine, relay, supervisor's lock."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from vm import choose, lifecycle, paths, relay
from vm.bake import Image
from vm.engines import ENGINES, Machine
from vm.errors import VmError
from vm.mirror import debian_mirror
from vm.recipe import recipe

PROGRAM = Path(lifecycle.__file__).parent


def test_an_image_is_named_by_all_that_goes_into_it() -> None:
    one = recipe("trixie", "payload-1")
    assert one.name == recipe("trixie", "payload-1").name
    assert one.name != recipe("trixie", "payload-2").name
    assert one.name.startswith("trixie-")
    assert recipe("bookworm", "payload-1").packages != one.packages


def test_an_unknown_release_is_refused_with_the_known_ones() -> None:
    with pytest.raises(VmError, match=r"cannot bake 'sarge': .*bookworm, trixie"):
        recipe("sarge", "")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://mirror.test/debian\nSuites: trixie\n"),
        ("sources.list", "deb http://mirror.test/debian trixie main\n"),
        ("sources.list", "deb [arch=amd64 signed-by=/x.gpg] http://mirror.test/debian trixie main\n"),
    ],
)
def test_the_mirror_is_debians_even_behind_other_vendors(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "a-vendor.list").write_text("deb https://vendor.test/apt stable main\n")
    (tmp_path / file).write_text(text)
    assert debian_mirror(tmp_path) == "http://mirror.test/debian"


def test_a_machine_without_a_debian_mirror_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(VmError, match="name none; add Debian"):
        debian_mirror(tmp_path)


def test_the_environment_overrides_the_choice_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(choose.OVERRIDE, "tcg")
    choice = choose.choose(Image(tmp_path, "trixie"))
    assert choice.engine.name == "tcg" and choose.OVERRIDE in choice.why


def test_an_unknown_engine_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(choose.OVERRIDE, "xen")
    with pytest.raises(VmError, match="kvm, uml, tcg"):
        choose.choose(Image(tmp_path, "trixie"))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_no_engine_writes_to_the_image(engine: choose.Engine, tmp_path: Path) -> None:
    """The image's disk appears only behind an overlay, or read-only."""
    image = Image(tmp_path / "image", "trixie")
    machine = Machine(folder=tmp_path / "one", port=2222, memory_mib=64, cpu=0)
    words = [str(word) for word in engine.command(image, machine)]
    naming = [word for word in words if str(image.disk) in word]
    assert naming in ([], [f"ubda={machine.overlay},{image.disk}"])


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_a_second_disk_is_read_only(engine: choose.Engine, tmp_path: Path) -> None:
    disk = tmp_path / "second.img"
    machine = Machine(folder=tmp_path / "one", port=2222, memory_mib=64, cpu=0, disk=disk)
    words = [str(word) for word in engine.command(Image(tmp_path / "image", "trixie"), machine)]
    qemu, uml = f"file={disk},format=raw,if=virtio,readonly=on", f"ubdbr={disk}"
    assert (uml in words) != (qemu in words)


def test_a_second_disk_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "HOME", tmp_path)
    with pytest.raises(VmError, match="is not a file; build it first"):
        lifecycle.up("one", release="trixie", memory_mib=64, owner=None, disk=tmp_path / "none", say=print)
    assert list(tmp_path.iterdir()) == []


def test_machines_are_spread_over_the_processors() -> None:
    assert lifecycle.least_used([0, 1], []) == 0
    assert lifecycle.least_used([0, 1], [0]) == 1
    assert lifecycle.least_used([0, 1], [0, 1, None]) == 0
    assert lifecycle.least_used([3], [3, 3]) == 3


@pytest.mark.parametrize("name", ["", "Upper", "with space", "-x", "a/b", "x" * 32])
def test_bad_names_are_refused_before_anything_is_made(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "HOME", tmp_path)
    with pytest.raises(VmError, match="choose another"):
        lifecycle.up(name, release="trixie", memory_mib=64, owner=None, disk=None, say=print)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_is_not_there_is_named() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "ssh", "nobody-home"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1
    assert "cannot find machine 'nobody-home'" in done.stderr and "up nobody-home" in done.stderr


def test_the_relay_carries_both_directions_and_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as front:
        relay.serve(front, server.getsockname())
        with socket.create_connection(front.getsockname()) as client:
            client.sendall(b"ping")
            client.shutdown(socket.SHUT_WR)
            upstream, _ = server.accept()
            with upstream:
                assert upstream.recv(16) == b"ping"
                assert upstream.recv(16) == b""
                upstream.sendall(b"pong")
            assert client.recv(16) == b"pong"
            assert client.recv(16) == b""
