# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys from AWS's own chain: the real botocore, with a credential process as the link that answers."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from credential_proxy.config import parse
from credential_proxy.settings import ConfigError

REQUEST = b"POST /bedrock/model/anthropic.claude-v1/invoke HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


def process(directory: Path, expires_in: timedelta) -> Path:
    """Write a credential process whose keys differ from call to call."""
    expires = (datetime.now(UTC) + expires_in).isoformat()
    keys = {"Version": 1, "AccessKeyId": "AKIA0123456789ABCDEF", "SecretAccessKey": "s" * 40, "Expiration": expires}
    program = directory / "keys"
    calls = directory / "calls"
    answer = json.dumps({**keys, "SessionToken": "token-number-CALL-0123456789"})
    program.write_text(f"#!/bin/sh\necho >> {calls}\necho '{answer}' | sed \"s/CALL/$(wc -l < {calls})/\"\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    config = directory / "aws.config"
    config.write_text(f"[default]\ncredential_process = {program}\n")
    return config


def chained(make_proxy: Callable[..., Any], port: int, config: Path) -> Any:
    """Start the service with a route that signs with the chain's keys."""
    route = {
        "type": "bedrock",
        "prefix": "/bedrock/",
        "region": "eu-central-1",
        "auth": "sigv4-chain",
        "credential": None,
    }
    proxy = make_proxy(port, **route)
    proxy.environment |= {"AWS_CONFIG_FILE": str(config), "AWS_EC2_METADATA_DISABLED": "true"}
    del proxy.environment["PYTHONWARNINGS"]
    proxy.start()
    return proxy


def test_keys_of_the_chain_sign(make_proxy: Callable[..., Any], recorder: Any, tmp_path: Path) -> None:
    proxy = chained(make_proxy, recorder.port, process(tmp_path, timedelta(hours=2)))
    deadline = time.monotonic() + 20
    while not proxy.exchange(REQUEST).startswith(b"HTTP/1.1 200"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert b"authorization: AWS4-HMAC-SHA256 Credential=AKIA0123456789ABCDEF/" in recorder.received
    assert b"x-amz-security-token: token-number-1-0123456789" in recorder.received


def test_without_keys_nothing_is_sent(make_proxy: Callable[..., Any], recorder: Any, tmp_path: Path) -> None:
    empty = tmp_path / "aws.config"
    empty.write_text("")
    proxy = chained(make_proxy, recorder.port, empty)
    answer = proxy.exchange(REQUEST)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable: there are no keys to sign with")
    deadline = time.monotonic() + 20
    while "cannot get keys from AWS's chain: it has no credentials" not in proxy.stderr():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert recorder.connections == []


def test_a_chain_takes_no_credential() -> None:
    route = {"name": "b", "type": "bedrock", "prefix": "/", "region": "eu-central-1", "auth": "sigv4-chain"}
    assert parse(json.dumps({"routes": [route]})).routes[0].uses_chain
    with pytest.raises(ConfigError, match="auth 'sigv4-chain' takes none from here"):
        parse(json.dumps({"routes": [{**route, "credential": "aws"}]}))
