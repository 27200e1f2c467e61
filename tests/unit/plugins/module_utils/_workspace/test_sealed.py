# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption by the real systemd-creds, with a host key of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import sealed, search
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError
from ansible_collections.bulkhead.workspace.plugins.modules.encrypted_credentials import check_rest, holds, wished

SECRET = b"sk-ant-sealed-0123456789abcdef"


@pytest.fixture(autouse=True)
def host_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(tmp_path / "host-key"))


def store(directory: Path, name: str, secret: bytes = SECRET) -> Path:
    file = directory / f"{name}.cred"
    file.write_bytes(sealed.seal(name, secret))
    return file


def test_a_secret_comes_back_and_is_not_in_the_file(tmp_path: Path) -> None:
    file = store(tmp_path, "anthropic")
    assert SECRET not in file.read_bytes()
    assert sealed.read_secret(file) == SECRET


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    other = store(tmp_path, "anthropic").rename(tmp_path / "other.cred")
    with pytest.raises(WorkspaceError, match=r"cannot decrypt credential other: systemd-creds said: .*name"):
        sealed.read_secret(other)


def test_another_hosts_file_is_written_anew_when_the_secret_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, "anthropic")
    assert holds(tmp_path, "anthropic", SECRET)
    monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(tmp_path / "another-key"))
    sealed.seal("x", b"makes the key")
    assert not holds(tmp_path, "anthropic", SECRET)
    with pytest.raises(WorkspaceError, match="cannot decrypt credential anthropic"):
        check_rest(tmp_path, ["anthropic", "not-there"])


def test_what_is_given_wins_over_what_lies_there_in_plain(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"by hand")
    assert wished(tmp_path, {"a": "given"}, ["a", "b", "c"]) == {"a": b"given", "b": b"by hand"}


def test_trying_out_leaves_no_key(tmp_path: Path) -> None:
    sealed.try_out()
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_systemd_creds_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkspaceError, match="systemd-creds is not on this host; it comes with systemd 250"):
        sealed.try_out()


def test_a_host_where_no_key_can_be_kept_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(tmp_path / "file" / "key"))
    with pytest.raises(WorkspaceError, match="cannot encrypt credential x: systemd-creds said: "):
        sealed.seal("x", SECRET)


def test_the_search_in_containers_looks_for_the_secret_and_not_for_its_encrypted_form(tmp_path: Path) -> None:
    assert search.read_needles([str(store(tmp_path, "anthropic"))]) == (SECRET,)
