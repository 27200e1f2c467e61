# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients, unmodified, against stand-ins with TLS: the credential is added on the way, nothing else changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy_stand import HOST, ROOT, Certificates, Forwarder, Proxy

from proxy.model_apis import ACCESS_KEY, GOODBYE, SECRET_KEY, SESSION_TOKEN, ModelApis

PACKAGES = ("anthropic==2.12.0", "boto3==1.44.5", "claude-agent-sdk==0.2.187")
MODEL = "anthropic.claude-sonnet-4-20250514-v1:0"
REGION = "eu-central-1"

ANTHROPIC = """
import anthropic
with anthropic.Anthropic().messages.stream(
    model="claude-x", max_tokens=99, messages=[{"role": "user", "content": "hello"}]
) as stream:
    print("".join(stream.text_stream))
"""
BOTO3 = """
import boto3
answer = boto3.client("bedrock-runtime").converse_stream(
    modelId="anthropic.claude-sonnet-4-20250514-v1:0", messages=[{"role": "user", "content": [{"text": "hello"}]}]
)
deltas = (event["contentBlockDelta"]["delta"] for event in answer["stream"] if "contentBlockDelta" in event)
print("".join(delta["text"] for delta in deltas))
"""
AGENT = """
import asyncio, claude_agent_sdk as sdk
async def main():
    options = sdk.ClaudeAgentOptions(allowed_tools=["Bash"], max_turns=4)
    async for message in sdk.query(prompt="Leave a proof", options=options):
        if isinstance(message, sdk.ResultMessage):
            print(message.result)
asyncio.run(main())
"""


@pytest.fixture(scope="session")
def python() -> Path:
    """Return the Python of an environment with the clients; made once and kept. Claude Code is inside the agent SDK."""
    home = ROOT / "build" / "proxy-clients"
    stamp = home / "packages.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != list(PACKAGES):
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([home / "bin/pip", "install", "-qq", *PACKAGES], check=True)
        stamp.write_text(json.dumps(PACKAGES))
    return home / "bin" / "python"


@pytest.fixture
def apis(certificates: Certificates) -> Iterator[ModelApis]:
    """Run the stand-ins; a wrong credential fails any test."""
    server = ModelApis(certificates)
    yield server
    server.shutdown()
    server.server_close()
    assert server.refused == []


class Place:
    """Where a client runs: a directory of its own and only the variables that a container would have."""

    def __init__(self, proxy: Proxy, apis: ModelApis, directory: Path) -> None:
        self.proxy = proxy
        self.apis = apis
        self.directory = directory
        self.proof = directory / "proof"
        apis.command = f"echo proved > {self.proof}"
        self.forwarder = Forwarder(proxy.control(op="open", conversation="demo")["socket"])
        proxy.configure(client_url=self.forwarder.url)
        assert proxy.reload() == {"ok": True}

    def run(self, *command: str | Path, **variables: str) -> str:
        """Run a client and return what it printed."""
        environment = self.proxy.control(op="environment", conversation="demo")["environment"] | variables
        bare = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "DISABLE_AUTOUPDATER": "1"}
        # boto3 signs with whatever it finds; the proxy takes that signature out.
        placeholder = {"AWS_ACCESS_KEY_ID": "placeholder", "AWS_SECRET_ACCESS_KEY": "placeholder"}
        done = subprocess.run(
            [str(word) for word in command],
            env={**bare, **placeholder, **environment, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tokens(self) -> int:
        """Return how many tokens the audit log has seen."""
        return sum(sum(record.get("tokens", {}).values()) for record in self.proxy.audit())


@pytest.fixture
def place(certificates: Certificates, apis: ModelApis, tmp_path: Path) -> Iterator[Place]:
    """A proxy with every route to models, in front of the stand-ins."""
    proxy = Proxy(certificates, apis.port)
    keys = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "SessionToken": SESSION_TOKEN}
    (proxy.credentials / "aws").write_text(json.dumps(keys))
    (route,) = proxy.settings["routes"]
    bedrock = {**route, "prefix": "/bedrock/", "credential": "aws", "region": REGION, "models": ["anthropic.claude-*"]}
    runtime = {**bedrock, "name": "bedrock", "type": "bedrock", "host": f"bedrock-runtime.{REGION}.{HOST}"}
    control = {**bedrock, "name": "control", "type": "bedrock_control", "host": f"bedrock.{REGION}.{HOST}"}
    del control["models"]
    proxy.configure(routes=[route, runtime, control])
    proxy.start()
    made = Place(proxy, apis, tmp_path)
    yield made
    made.forwarder.close()
    log = proxy.audit_log.read_text()
    assert not any(secret in log for secret in (SECRET_KEY, SESSION_TOKEN, GOODBYE))
    proxy.clean_up()


def claude(python: Path) -> Path:
    """Return the program of Claude Code that the agent SDK carries."""
    return next(python.parents[1].glob("lib/python*/site-packages/claude_agent_sdk/_bundled/claude"))


def test_anthropic_sdk(place: Place, python: Path) -> None:
    assert place.run(python, "-c", ANTHROPIC) == GOODBYE + "\n"
    assert place.tokens() == 120


def test_boto3_converse_stream(place: Place, python: Path) -> None:
    assert place.run(python, "-c", BOTO3) == GOODBYE + "\n"
    assert place.apis.asked == [f"POST /model/{MODEL.replace(':', '%3A')}/converse-stream"]
    assert place.tokens() == 120


def test_curl(place: Place) -> None:
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": []})
    url = f"{place.forwarder.url}/v1/messages"
    out = place.run("curl", "-sS", "--fail", "-H", "content-type: application/json", "-d", body, url)
    assert json.loads(out)["content"][0]["text"] == GOODBYE


@pytest.mark.parametrize("mode", ["anthropic", "bedrock"])
def test_claude_code_with_a_tool_call(place: Place, python: Path, mode: str) -> None:
    variables = {"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_MODEL": MODEL} if mode == "bedrock" else {}
    assert GOODBYE in place.run(claude(python), "-p", "Leave a proof", "--allowedTools", "Bash", **variables)
    assert place.proof.read_text() == "proved\n"
    asked = [line for line in place.apis.asked if "count" not in line and line.startswith("POST")]
    assert asked
    assert all(line.startswith("POST /model/" if mode == "bedrock" else "POST /v1/messages") for line in asked)


def test_agent_sdk_with_a_tool_call(place: Place, python: Path) -> None:
    assert place.run(python, "-c", AGENT) == GOODBYE + "\n"
    assert place.proof.read_text() == "proved\n"
