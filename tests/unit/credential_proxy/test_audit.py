# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: a chain of ASCII JSON lines that goes on over restarts, rotation and a full disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from credential_proxy.audit import AuditLog, clip
from credential_proxy.chain import Chain, Position, fragment


def checked(*files: Path) -> list[dict[str, Any]]:
    """Read the lines of the files in order and check every link of the chain."""
    prev = "0" * 64
    records: list[dict[str, Any]] = []
    for raw in b"".join(file.read_bytes() for file in files).splitlines(keepends=True):
        assert raw.isascii()
        try:
            record = json.loads(raw)
        except ValueError:
            records.append({"torn": raw})
            continue
        assert record["prev"] == prev
        prev = hashlib.sha256(raw).hexdigest()
        records.append(record)
    numbers = [record["seq"] for record in records if "seq" in record]
    assert numbers == list(range(1, len(numbers) + 1))
    return records


def test_chain_over_restart_and_rotation(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    log = AuditLog(path, path.parent)
    log.write("decision", {"workspace": "a"})
    assert log.lines == 2
    log.close()
    log = AuditLog(path, path.parent)
    log.write("end", {"request": 2})
    path.rename(old)
    log.reopen()
    log.write("decision", {"workspace": "b"})
    log.close()
    assert [record["event"] for record in checked(old, path)] == [
        *("start", "decision", "stop", "start", "end"),
        *("decision", "stop"),
    ]
    assert oct(path.stat().st_mode & 0o777) == "0o640"


def test_an_edit_breaks_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, path.parent)
    log.write("decision", {"verdict": "deny"})
    log.close()
    path.write_text(path.read_text().replace("deny", "allow"))
    with pytest.raises(AssertionError):
        checked(path)


def test_torn_line_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    AuditLog(path, path.parent).close()
    with path.open("ab") as file:
        file.write(b'{"seq":3,"prev":"')
    AuditLog(path, path.parent).close()
    records = checked(path)
    assert records[2] == {"torn": b'{"seq":3,"prev":"\n'}
    assert records[3]["gap"] is True


@dataclass
class Undoing:
    """Whoever is told that a line was not written."""

    not_written: Callable[[int], None]


@pytest.fixture
def small_files() -> Iterator[int]:
    """Let no file of this process grow beyond 600 bytes: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
    yield 600
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_no_torn_line_and_counts_what_was_lost(
    tmp_path: Path, small_files: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, path.parent)
    undone: list[int] = []
    author = Undoing(undone.append)
    failures = 0
    for _ in range(8):
        # Two lines in one call: both are there, or neither.
        before = log.lines
        number = log.append("decision", fragment({"path": "/v1/models"}), author)
        log.append("end", fragment({"request": number}))
        log.commit()
        failures += log.lines == before
        assert log.lines in (before, before + 2)
    assert failures
    assert undone == [log.lines + 1] * failures
    assert not log.healthy
    assert path.stat().st_size <= small_files
    checked(path)
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, soft))
    log.write("decision", {})
    assert log.healthy
    log.close()
    assert checked(path)[-2]["lost"] == 2 * failures
    assert capfd.readouterr().err.count("no request is served") == 1


def test_hostile_texts_become_one_ascii_line() -> None:
    hostile = fragment({"path": "a\nb\x1b[0m\u2028\ud800\x00" + "x" * 5})
    line, _position = Chain(position=Position(), clock=lambda: 0.0).lines([("decision", hostile)])
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert b"\x1b" not in line
    assert json.loads(line)["ts"] == "1970-01-01T00:00:00.000+00:00"


def test_long_texts_are_cut() -> None:
    assert clip("x" * 1_000_000) == "x" * 256 + "...+999744"


def test_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        AuditLog(tmp_path / "audit.jsonl", tmp_path)
