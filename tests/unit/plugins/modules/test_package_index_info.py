# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The indexes of the real pip and npm, and answers that must not be believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.bulkhead.workspace.plugins.modules.package_index_info import (
    NoAnswer,
    ask_npm,
    ask_pip,
    configured,
    place,
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own settings."""
    for name in ("PIP_INDEX_URL", "npm_config_registry", "NPM_CONFIG_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("npm_config_globalconfig", str(tmp_path / "npmrc"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_pip_tells_its_built_in_index_and_where_its_files_lie() -> None:
    told = ask_pip()
    assert told["pypi"]["host"] != told["pypi_files"]["host"]
    assert {entry["port"] for entry in told.values()} == {443}


def test_the_environment_wins_over_pips_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://file.example.com:8443/repository/python/simple/\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    assert ask_pip() == {
        "pypi": {"host": "file.example.com", "port": 8443, "base": "/repository/python"},
        "pypi_files": {"host": "file.example.com", "port": 8443},
    }
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example.com/simple")
    assert ask_pip()["pypi"] == {"host": "environment.example.com", "port": 443}


def test_npm_tells_its_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(ask_npm()["npm"]) == {"host", "port"}
    monkeypatch.setenv("npm_config_registry", "https://registry.example.com/repository/npm/")
    assert ask_npm()["npm"] == {"host": "registry.example.com", "port": 443, "base": "/repository/npm"}


def test_who_is_not_there_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoAnswer, match="cannot ask npm: it is not installed, or fails; install it, or give the route"):
        ask_npm()


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("http://index.example.com/simple", "does not begin with https"),
        ("file:///opt/index/simple", "does not begin with https"),
        ("https://user:hunter2@index.example.com/simple", "a credential is in its address"),
        ("https://index.example.com:99999/simple", "cannot be read"),
        ("https://[::1]/simple", "is no name of a host"),
        ("https://127.0.0.1/simple", "is no name of a host"),
        ("https:///simple", "is no name of a host"),
        ("https://index.example.com/", "ends in /simple"),
        ("https://index.example.com/a/../simple", "ends in /simple"),
        ("https://index.example.com/a%2f/simple", "ends in /simple"),
        ("https://index.example.com/simple?token=hunter2", "ends in /simple"),
        ("undefined", "does not begin with https"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(address: str, cause: str) -> None:
    with pytest.raises(NoAnswer, match="cannot use the index of pip: ") as refusal:
        place("pip", address, "/simple")
    assert cause in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_a_setting_of_the_install_command_wins_over_the_general_one() -> None:
    listing = "global.index-url='https://a.example.com/simple'\ninstall.index-url='https://b.example.com/simple'\n"
    assert configured(listing) == "https://b.example.com/simple"
    assert configured("global.timeout='60'\n") is None
    with pytest.raises(NoAnswer, match="cannot read pip's setting"):
        configured("global.index-url=https://no.quotes.example.com/simple\n")
