# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients inside a workspace container under every layer, in a virtual machine: ``make long-clients``.

The machine is set up by the roles, its credentials are encrypted, and the container does not start unless the kernel
proves L1 to L6. The upstreams (stand-ins for the model APIs, the real package indexes) are this machine's, and brought
to the other one's loopback by ssh.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".ansible/collections")]

from faults.machine import ansible_environment, machine  # noqa: E402  (the paths come first)
from proxy_stand import HOST, KEY, Certificates  # noqa: E402

from proxy.in_container import AWS_KEYS, ENVIRONMENT, PROOF, Inside, clients, routes, verdict  # noqa: E402
from proxy.indexes import authorities  # noqa: E402
from proxy.model_apis import ModelApis  # noqa: E402

MACHINE = "clients"
FILES = ROOT / "build/vm/machines" / MACHINE
FIRST_PORT = 8441
MODELS_CA, INDEXES_CA = "/opt/models.pem", "/opt/indexes.pem"


def ssh(*words: str) -> list[str]:
    """Return the command that logs in."""
    return ["ssh", "-F", str(FILES / "ssh_config"), *words]


@contextlib.contextmanager
def brought(addresses: list[str]) -> Iterator[dict[str, str]]:
    """Bring this machine's addresses to the other one's loopback; return where each is there."""
    there = {address: f"127.0.0.1:{FIRST_PORT + number}" for number, address in enumerate(addresses)}
    words = [word for address, place in there.items() for word in ("-R", f"{place}:{address}")]
    with subprocess.Popen(ssh("-N", "-o", "ExitOnForwardFailure=yes", *words, MACHINE)) as forwarding:
        try:
            yield there
        finally:
            forwarding.terminate()


def execute(command: list[str], *, prefix: tuple[str, ...] = ("docker", "exec", "ws-clients")) -> tuple[int, str]:
    """Run a command in the container."""
    done = subprocess.run(ssh(MACHINE, shlex.join([*prefix, *command])), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def set_up(wanted: list[dict[str, Any]], models_ca: Path, directory: Path) -> None:
    """Make the machine a workspace host with one conversation."""
    variables = directory / "variables.json"
    settings = {
        "credential_proxy_routes": wanted,
        "credential_proxy_credentials": [
            {"name": "anthropic", "value": KEY},
            {"name": "aws", "value": json.dumps(AWS_KEYS)},
        ],
        "authorities": [{"from": str(models_ca), "to": MODELS_CA}, {"from": authorities(), "to": INDEXES_CA}],
        "client_environment": ENVIRONMENT,
    }
    variables.write_text(json.dumps(settings))
    playbook = ["ansible-playbook", "-i", str(FILES / "inventory.yml"), "-e", f"@{variables}"]
    log = ROOT / "build/vm/clients.log"
    with log.open("w") as output:
        done = subprocess.run(
            [*playbook, str(ROOT / "tests/proxy/in_vm.yml")],
            env=ansible_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        sys.exit(f"cannot set the machine up; see {log}")


def main(release: str) -> int:
    """Print one line for each client; 1 when any of them failed."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        certificates = Certificates(directory)
        apis = ModelApis(certificates)
        apis.command = PROOF
        models = {"name": "anthropic", "type": "anthropic", "prefix": "/", "host": HOST, "credential": "anthropic"}
        wanted = routes({**models, "address": f"127.0.0.1:{apis.port}", "ca_file": MODELS_CA})
        with machine(MACHINE, release), brought(list(dict.fromkeys(route["address"] for route in wanted))) as there:
            for route in wanted:
                route["address"] = there[route["address"]]
                route["ca_file"] = MODELS_CA if route["ca_file"] == MODELS_CA else INDEXES_CA
            set_up(wanted, certificates.ca, directory)
            inside = Inside(execute)
            evidence = ["docker", "exec", "ws-clients", "cat", "/proc/self/attr/current", "/proc/self/uid_map"]
            print(f"{release}: " + " ".join(execute(evidence, prefix=())[1].split()), flush=True)
            clients(inside)
            on_host = functools.partial(execute, prefix=())
            log = on_host(["cat", "/var/log/credential_proxy/audit.jsonl"])[1]
            verify = ["env", "PYTHONPATH=/usr/local/lib/bulkhead", "python3", "-m", "credential_proxy", "verify"]
            print(on_host(verify)[1].strip())
    return verdict(inside, apis, log)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["trixie"]))
