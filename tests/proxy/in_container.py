# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients inside a workspace container, whose only door is the proxy: ``make long-clients``.

pip and npm fetch the clients through the mirrors of the real indexes; then each asks the stand-ins for the model APIs.
The container is the collection's own, on a daemon of this machine: no network, read-only root, no capabilities, the
seccomp profile; AppArmor, quotas and user namespaces are what only a workspace host has, see in_vm.py.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".ansible/collections")]

from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces  # noqa: E402  (the paths come first)
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver  # noqa: E402
from native_docker import daemon  # noqa: E402
from proxy_stand import HOST, Certificates, Proxy  # noqa: E402

from proxy.indexes import npm_route, python_routes  # noqa: E402
from proxy.model_apis import ACCESS_KEY, GOODBYE, SECRET_KEY, SESSION_TOKEN, ModelApis  # noqa: E402
from proxy.test_clients import AGENT, ANTHROPIC, BOTO3, MODEL, PACKAGES, REGION  # noqa: E402

IMAGE = "bulkhead/workspace:demo"
CLAUDE_CODE = "@anthropic-ai/claude-code@2.1.330"
QUIET = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
PLACEHOLDER = {"AWS_ACCESS_KEY_ID": "placeholder", "AWS_SECRET_ACCESS_KEY": "placeholder"}
AWS_KEYS = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "SessionToken": SESSION_TOKEN}
HOMES = {"HOME": "/workspace", "npm_config_cache": "/workspace/.npm", "PIP_CACHE_DIR": "/workspace/.pip"}
ENVIRONMENT = QUIET | PLACEHOLDER | HOMES | {"ANTHROPIC_MODEL": MODEL, "TMPDIR": "/workspace"}
BEDROCK = "env CLAUDE_CODE_USE_BEDROCK=1 "
CLAUDE = "/workspace/node_modules/.bin/claude -p 'Leave a proof' --allowedTools Bash"
PROOF = "echo proved >> /workspace/proof"
CURL = (
    'curl -sS --fail -H \'content-type: application/json\' -d \'{"model": "m", "max_tokens": 9, "messages": []}\' '
    '"$ANTHROPIC_BASE_URL/v1/messages"'
)


Execute = Callable[[list[str]], tuple[int | None, str]]
"""Runs a command in the container; returns its exit status and what it printed."""


class Inside:
    """A container, and what was done in it."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self.failed = 0

    def shows(self, what: str, command: str, *wanted: str, fails: bool = False) -> None:
        """Run a command in the container; print whether it ended as it should and printed what it should."""
        began = time.monotonic()
        status, output = self._execute(["sh", "-c", f"cd /workspace; {command}"])
        good = bool(status) == fails and all(text in output for text in wanted)
        self.failed += not good
        print(f"{'ok ' if good else 'BAD'} {time.monotonic() - began:5.1f} s  {what}", flush=True)
        if fails or not good:
            lines = [line for line in output.splitlines() if any(text in line for text in wanted)] or [output[-2000:]]
            print(f"        {lines[0].strip()[:300]}", flush=True)


def routes(anthropic: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every kind of route: models at the stand-ins, where this one leads, and packages at the real indexes."""
    bedrock = {**anthropic, "prefix": "/bedrock/", "credential": "aws", "region": REGION}
    runtime = {**bedrock, "name": "bedrock", "type": "bedrock", "host": f"bedrock-runtime.{REGION}.{HOST}"}
    control = {**bedrock, "name": "control", "type": "bedrock_control", "host": f"bedrock.{REGION}.{HOST}"}
    return [anthropic, runtime, control, *python_routes(deny=["left-pad"]), npm_route(deny=["left-pad"])]


@contextlib.contextmanager
def container(proxy: Proxy, archive: Path) -> Iterator[Inside]:
    """Run a workspace with this proxy as its only door."""
    with daemon() as running:
        running.load(archive)
        workspaces.create(
            "clients",
            IMAGE,
            docker_host=running.url,
            seccomp_profile=str(ROOT / "deployment/seccomp/workspace-seccomp.json"),
            apparmor_profile="",
            userns_remap="",
            disk_limit="",
            required_layers=["L4", "L6"],
            proxy_control_socket=str(proxy.control_socket),
            proxy_directory=proxy.settings["conversations_directory"],
            environment=ENVIRONMENT,
            memory="4g",
        )
        yield Inside(functools.partial(Driver(running.url).execute, "ws-clients"))


def clients(inside: Inside) -> None:
    """Fetch the clients through the proxy, use them, and try what must fail."""
    python, pip, npm = (
        "/opt/venv/bin/python",
        "/opt/venv/bin/python -m pip -q install",
        "npm install --no-audit --no-fund",
    )
    inside.shows("there is no other way out", "cat /proc/net/dev | tail -n +3 | cut -d: -f1", "lo")
    inside.shows(f"pip install {' '.join(PACKAGES)}", f"{pip} {' '.join(PACKAGES)}")
    inside.shows("pip install of a source distribution", f"{pip} --no-binary :all: --no-deps docopt==0.6.2")
    inside.shows("pip install of a denied package", f"{pip} left-pad", "denied here", fails=True)
    inside.shows(f"npm install {CLAUDE_CODE}", f"{npm} {CLAUDE_CODE}")
    inside.shows("npm install of a denied package", f"{npm} left-pad", "denied here", fails=True)
    publish = 'mkdir -p p && cd p && echo \'{"name": "p", "version": "1.0.0"}\' > package.json'
    login = 'npm config set "${npm_config_registry#http:}:_authToken" x'
    inside.shows("npm publish", f"{publish} && {login} && npm publish", "read-only here", fails=True)
    inside.shows("curl", CURL, GOODBYE)
    inside.shows("anthropic, streaming", f"{python} -c '{ANTHROPIC}'", GOODBYE)
    inside.shows("boto3 converse_stream", f"{python} -c '{BOTO3}'", GOODBYE)
    inside.shows("Claude Code from npm, Anthropic, with a tool call", f"{CLAUDE} && cat proof", GOODBYE, "proved")
    inside.shows("Claude Code from npm, Bedrock, with a tool call", f"{BEDROCK}{CLAUDE} && grep -c proved proof", "2")
    inside.shows("claude-agent-sdk, with a tool call", f"{python} -c '{AGENT}' && grep -c proved proof", GOODBYE, "3")


def verdict(inside: Inside, apis: ModelApis, log: str) -> int:
    """Print what the stand-ins and the audit log say; 1 when anything was wrong."""
    leaked = [secret for secret in (SECRET_KEY, SESSION_TOKEN, GOODBYE) if secret in log]
    print(
        f"{len(apis.asked)} requests at the stand-ins, {len(apis.refused)} with a wrong credential, "
        f"{len(leaked)} secrets in {len(log.splitlines())} audit lines"
    )
    return 1 if inside.failed or apis.refused or leaked else 0


def main() -> int:
    """Print one line for each client; 1 when any of them failed."""
    built = subprocess.run(
        [sys.executable, str(ROOT / "deployment/image/build.py")], stdout=subprocess.PIPE, text=True, check=True
    )
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(Path(directory))
        apis = ModelApis(certificates)
        apis.command = PROOF
        proxy = Proxy(certificates, apis.port)
        (proxy.credentials / "aws").write_text(json.dumps(AWS_KEYS))
        proxy.configure(routes=routes(*proxy.settings["routes"]))
        proxy.directory.chmod(0o711)
        proxy.start()
        try:
            with container(proxy, Path(built.stdout.strip().splitlines()[-1])) as inside:
                clients(inside)
        finally:
            log = proxy.audit_log.read_text()
            proxy.clean_up()
    return verdict(inside, apis, log)


if __name__ == "__main__":
    sys.exit(main())
