# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: from a bare machine to a proven workspace, on a disposable VM."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from report import changed_tasks, of_the_design, problems, results, table
from terminal import DemoError, note, run, step

CHECKOUT = Path(__file__).resolve().parents[1]
BUILD = CHECKOUT / "build" / "demo"
VM = [sys.executable, str(CHECKOUT / "molecule" / "shared" / "vm")]
RGW = [sys.executable, str(CHECKOUT / "tests" / "rgw")]
# A server of its own, beside those that tests may be running; its package reads this when it is imported.
os.environ["BULKHEAD_RGW_HOME"] = str(BUILD / "rgw")
sys.path.insert(0, str(CHECKOUT / "tests"))

from rgw import client, cluster  # noqa: E402

MACHINE = "demo"
CONVERSATION = "demo"
BUCKET = "demo-workspaces"
IMAGE = "bulkhead/workspace:demo"
REQUEST = {
    "model": "claude-demo",
    "max_tokens": 64,
    "stream": True,
    "messages": [{"role": "user", "content": "Say hello."}],
}


def main() -> int:
    """Run the demo; the machine stays for a look around, everything else ends with this process."""
    # A polite request to end clears up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    BUILD.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    finished = False
    try:
        _demo()
        finished = True
        note(f"finished in {time.monotonic() - began:.0f} s; report: {(BUILD / 'report.json').relative_to(CHECKOUT)}")
        return 0
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    finally:
        subprocess.run([*RGW, "down"], capture_output=True)
        if not finished:
            subprocess.run([*VM, "down", MACHINE], capture_output=True)


def _demo() -> None:
    step("1/8 A bare machine: Debian with Docker's packages installed, nothing configured")
    run("bring up the machine", [*VM, "up", MACHINE], BUILD / "vm.log")
    key = _make_key()
    storage = _start_storage()

    step("2/8 Around it: a stand-in for the model API, and one for the cloud's metadata service")
    _playbook("prepare", str(CHECKOUT / "demo" / "prepare.yml"), {"expected_key": key})

    step("3/8 site.yml in production mode: quota, user namespaces, seccomp, AppArmor, credential proxy, S3 retention")
    site = {"credential_proxy_credentials": [{"name": "anthropic", "source": str(BUILD / "key")}], **storage}
    _playbook("site", "bulkhead.workspace.site", site)

    step("4/8 site.yml again: a converged host must not change")
    changed = changed_tasks(_playbook("site-again", "bulkhead.workspace.site", site))
    if any(changed.values()):
        raise DemoError(f"the second run of site.yml changed something: {changed}; log: {BUILD / 'site-again.log'}")
    note(f"changed=0 on {', '.join(changed)}")

    step(f"5/8 A container for conversation '{CONVERSATION}', with all seven layers or not at all")
    _playbook("image", str(CHECKOUT / "demo" / "image.yml"), {})
    _playbook("workspace", "bulkhead.workspace.workspace", {"conversation_id": CONVERSATION, "workspace_image": IMAGE})

    step("6/8 Inside it: a request to http://127.0.0.1:9080/v1/messages, answered through the credential proxy")
    _converse(key)

    step("7/8 verify.yml: every attack from inside, each beside the same act without the defence")
    _playbook("verify", "bulkhead.workspace.verify", {"workspace_report": str(BUILD), "workspace_attack_copies": False})

    step("8/8 The seven layers, as the kernel tells them, and the attacks of the security design")
    document = json.loads((BUILD / "report.json").read_text())
    _conclude(*results(document["hosts"][MACHINE]["conversations"][CONVERSATION]))


def _make_key() -> str:
    key = f"sk-ant-demo-{secrets.token_hex(24)}"
    file = BUILD / "key"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(key)
    return key


def _start_storage() -> dict[str, Any]:
    """An S3 server on loopback with the bucket of the demo, and the role's variables for it."""
    run("start the S3 server", [*RGW, "up"], BUILD / "s3.log")
    server = cluster.load()
    if server is None:
        raise DemoError(f"cannot use the S3 server: it has not said where it is; see {BUILD / 's3.log'}")
    client.ensure_bucket(client.connect(server), BUCKET)
    return {
        "s3_lifecycle_bucket": BUCKET,
        "s3_lifecycle_endpoint_url": server.endpoint_url,
        "s3_lifecycle_access_key": server.access_key,
        "s3_lifecycle_secret_key": server.secret_key,
        # Ceph's gateway drops filters on size, which the role would notice and refuse.
        "s3_lifecycle_archive_minimum_bytes": 0,
    }


def _playbook(name: str, playbook: str, variables: dict[str, Any]) -> str:
    """Run a playbook against the demo's machine. Variables go through a file: a command line can be read by others."""
    file = BUILD / "variables.json"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(variables))
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        *("-i", str(CHECKOUT / "build" / "vm" / "machines" / MACHINE / "inventory.yml")),
        *("-i", str(CHECKOUT / "demo" / "inventory")),
        *("-e", f"@{file}", playbook),
    ]
    try:
        return run(f"run {name}", command, BUILD / f"{name}.log", {"ANSIBLE_FORCE_COLOR": "0"})
    finally:
        file.unlink()


def _converse(key: str) -> None:
    """Ask through the proxy from inside the container; compare what the stand-in saw with what the container knows."""
    ask = ["curl", "-sSN", "http://127.0.0.1:9080/v1/messages", "-H", "content-type: application/json"]
    ask += ["-H", "anthropic-version: 2023-06-01", "-H", "x-api-key: none-of-your-business", "-d", json.dumps(REQUEST)]
    began = time.monotonic()
    answer = []
    with subprocess.Popen(_in_container(ask), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                text = event.get("delta", {}).get("text")
                if text:
                    answer.append(text)
                    note(f"{time.monotonic() - began:5.2f} s  {text!r}")
        errors = process.stderr.read()
    if process.returncode != 0 or not answer:
        raise DemoError(f"the request inside the container got no streamed answer: {errors}")
    resolve = ["--cacert", "/opt/model_api/ca.pem", "--resolve", "api.test:8443:127.0.0.1"]
    seen = _on_host(["curl", "-sS", *resolve, "https://api.test:8443/seen"])
    if key not in seen or "none-of-your-business" in seen:
        raise DemoError(
            f"the model API must see the real key and not the container's; it saw: {seen.replace(key, '***')}"
        )
    note("the model API saw the real key; the one that the container sent never left the proxy")


def _in_container(command: list[str]) -> list[str]:
    return _ssh(["docker", "exec", f"ws-{CONVERSATION}", *command])


def _ssh(command: list[str]) -> list[str]:
    return [*VM, "ssh", MACHINE, "--", shlex.join(command)]


def _on_host(command: list[str]) -> str:
    done = subprocess.run(_ssh(command), capture_output=True, text=True)
    if done.returncode != 0:
        raise DemoError(f"cannot run '{command[0]}' on the machine: {done.stderr.strip()}")
    return done.stdout


def _conclude(layers: dict[str, Any], attacks: dict[str, Any]) -> None:
    print()
    for row in table(layers, of_the_design(attacks)):
        print(row)
    open_points = problems(layers, attacks)
    if open_points:
        raise DemoError("the walls do not hold:\n  " + "\n  ".join(open_points))
    print()
    note(f"{len(layers)} layers are in force; {len(attacks)} attacks failed, and each succeeds without its defence")
    note(f"all of them:    {(BUILD / 'report.html').relative_to(CHECKOUT)}")
    note("look around:    python3 molecule/shared/vm ssh demo")
    note("inside:         docker exec -it ws-demo bash      (on that machine)")
    note("end it:         make demo-down")


if __name__ == "__main__":
    sys.exit(main())
