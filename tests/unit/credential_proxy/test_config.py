# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration: good ones are read, bad ones report every problem at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from credential_proxy.config import load, parse
from credential_proxy.credentials import load_credentials
from credential_proxy.secret import Secret
from credential_proxy.settings import ConfigError, Route

ROUTE = {"name": "anthropic", "type": "anthropic", "prefix": "/", "host": "api.test", "credential": "anthropic"}


def problems(data: Any) -> list[str]:
    """Return the problems of a configuration."""
    with pytest.raises(ConfigError) as caught:
        parse(data if isinstance(data, str) else json.dumps(data))
    return caught.value.problems


def test_defaults() -> None:
    config = parse(json.dumps({"routes": [ROUTE]}))
    assert config.routes == (Route("anthropic", "anthropic", "/", "api.test", 443, "anthropic", None, None),)
    assert config.conversations_directory == Path("/var/lib/credential_proxy/conversations")


def test_address_override() -> None:
    for text, pair in (("127.0.0.1:8443", ("127.0.0.1", 8443)), ("[::1]:1", ("::1", 1))):
        config = parse(json.dumps({"routes": [{**ROUTE, "address": text, "ca_file": "/etc/ca.pem"}]}))
        assert config.routes[0].address == pair


def test_no_routes_is_a_deny_all() -> None:
    assert parse('{"routes": []}').routes == ()


def test_all_problems_at_once() -> None:
    found = problems(
        {
            "audit_log": "audit.jsonl",
            "surprise": 1,
            "conversations_directory": "/" + "a" * 60,
            "routes": [
                {**ROUTE, "type": "ftp", "port": 0, "address": "api.test:443", "ca_file": "ca.pem", "colour": "red"},
                {**ROUTE, "host": "https://api.test", "prefix": "v1"},
                {**ROUTE, "host": "10.0.0.1", "name": "../x", "prefix": "/x/"},
                {**ROUTE, "host": "2130706433", "name": "b", "prefix": "/x/", "credential": ""},
                "text",
            ],
        }
    )
    text = "\n".join(found)
    for part in (
        *("audit_log: must be an absolute path", "unknown key 'surprise'", "conversations_directory: too long"),
        *("routes[0].type", "routes[0].port", "routes[0].address", "routes[0].ca_file", "unknown key 'colour'"),
        *("routes[1].host", "routes[1].prefix", "routes[2].host", "routes[2].name", "routes[3].host"),
        *("routes[3].credential", "routes[4]: must be an object", "name 'anthropic' is used more than once"),
        "prefix '/x/' is used more than once",
    ):
        assert part in text


INDEX = {"name": "pypi", "type": "pypi", "prefix": "/pypi/", "host": "index.test"}
FILES = {"name": "files", "type": "pypi_files", "prefix": "/files/", "host": "files.test"}


def test_patterns_of_python_packages_are_spelled_like_names() -> None:
    lists = {"deny": ["PyYAML", "Foo_Bar.?", "x__*"], "allow": ["A.b*"]}
    npm = {**INDEX, "name": "npm", "type": "npm", "prefix": "/npm/", "deny": ["@Foo/a_b"]}
    config = parse(json.dumps({"routes": [{**INDEX, **lists}, {**FILES, **lists}, npm]}))
    for route in config.routes[:2]:
        assert (route.packages.deny, route.packages.allow) == (("pyyaml", "foo-bar-?", "x-*"), ("a-b*",))
    assert config.routes[2].packages.deny == ("@Foo/a_b",)


@pytest.mark.parametrize(
    ("index", "files", "key"),
    [
        ({"deny": ["evil"]}, {}, "deny"),
        ({"deny": ["evil"]}, {"deny": ["other"]}, "deny"),
        ({"allow": ["six"]}, {"allow": ["six", "seven"]}, "allow"),
        ({"minimum_age_days": 7}, {"minimum_age_days": 6}, "minimum_age_days"),
        ({"deny": ["A_b", "c"], "minimum_age_days": 1}, {"deny": ["c", "a.B"], "minimum_age_days": 7}, ""),
        ({}, {"deny": ["evil"], "allow": ["six"], "minimum_age_days": 7}, ""),
    ],
)
def test_rules_of_an_index_that_nobody_asks(index: dict[str, Any], files: dict[str, Any], key: str) -> None:
    routes = {"routes": [{**INDEX, **index}, {**FILES, **files}]}
    if key:
        (problem,) = problems(routes)
        assert problem.startswith(f"route 'pypi': {key} must be the same on a route of type pypi_files")
        assert any(key in problem for problem in problems({"routes": [{**INDEX, **index}]}))
    else:
        assert len(parse(json.dumps(routes)).routes) == 2


def test_prices() -> None:
    price = {"model": "m", "input": 4, "output": 20}
    made = parse(json.dumps({"prices": [price, {**price, "cache_write": 5}, {**price, "cache_write_1h": 9}]})).prices
    assert [(one.cache_write, one.cache_write_1h) for one in made] == [(4, 6.4), (5, 8.0), (4, 9)]
    assert [one.fast for one in made] == [6.0] * 3
    assert parse(json.dumps({"prices": [{**price, "fast": 2}]})).prices[0].fast == 2
    for key in ("cost", "cost_per_day"):
        assert any("needs prices" in problem for problem in problems({"limits": {key: 1}}))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"routes": {}}', '{"routes": [], "routes": []}', '"x"', "nul"])
def test_broken_files(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "1.1.1.1:", "1.1.1.1:0", "1.1.1.1:99999", ":443", "1.1.1.1:+5", 5, "::1"]
)
def test_bad_addresses(address: Any) -> None:
    assert any("address" in problem for problem in problems({"routes": [{**ROUTE, "address": address}]}))


def test_credentials(tmp_path: Path) -> None:
    config = parse(json.dumps({"routes": [ROUTE, {**ROUTE, "name": "b", "prefix": "/b/", "credential": "other"}]}))
    (tmp_path / "other").write_text("short\n")
    with pytest.raises(ConfigError) as caught:
        load_credentials(config, tmp_path)
    assert len(caught.value.problems) == 2
    assert "short" not in str(caught.value)
    for name in ("anthropic", "other"):
        (tmp_path / name).write_text("sk-ant-0123456789\n")
    other = load_credentials(config, tmp_path)["other"]
    assert isinstance(other, Secret)
    assert other.reveal() == b"sk-ant-0123456789"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "none.json")
