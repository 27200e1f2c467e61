# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python door against a real daemon: a whole life, many at once, two at one, expiry, health, pull."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest
from ansible_collections.bulkhead.workspace.plugins.module_utils import workspaces
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace import lock, observe
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.driver import Driver
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.errors import WorkspaceError
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.parameters import defaults
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.reap import Settings, reap
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.service import keep_one
from ansible_collections.bulkhead.workspace.plugins.module_utils._workspace.wish import build_wish

pytestmark = pytest.mark.usefixtures("clean")
IMAGE = "bulkhead/workspace:demo"
Options = dict[str, Any]


def test_a_whole_life(options: Options, inventory: Any) -> None:
    made = workspaces.create("life", IMAGE, **options)
    assert made["actions"] == [
        "create volume ws-life-workspace",
        "create volume ws-life-venv",
        "create container ws-life",
        "start ws-life",
    ]
    assert made["layers"]["L4"]["status"] == "enforced"
    assert not workspaces.create("life", IMAGE, **options)["changed"]
    [seen] = workspaces.info("life", docker_host=options["docker_host"])
    assert (seen["container"]["state"], seen["usage"]["memory"]["limit"]) == ("running", 2 << 30)
    assert seen["usage"]["disk"]["/tmp"]["limit"] == 512 << 20
    gone = workspaces.remove("life", docker_host=options["docker_host"], proxy=False)
    assert gone["actions"][0] == "stop ws-life"
    assert inventory() == set()
    assert not workspaces.remove("life", docker_host=options["docker_host"], proxy=False)["changed"]


def test_without_a_network_a_program_still_reaches_itself_by_name(options: Options) -> None:
    workspaces.create("local", IMAGE, **options)
    program = (
        "import pathlib, socket\n"
        "server = socket.create_server(('localhost', 0))\n"
        "socket.create_connection(('localhost', server.getsockname()[1])).sendall(b'x')\n"
        "print(server.accept()[0].recv(1), sorted(entry.name for entry in pathlib.Path('/sys/class/net').iterdir()))\n"
        "print(socket.gethostname() == pathlib.Path('/etc/hostname').read_text().strip())\n"
    )
    driver = Driver(options["docker_host"])
    assert driver.execute("ws-local", ["python3", "-c", program]) == (0, "b'x' ['lo']\nTrue\n")
    status, said = driver.execute("ws-local", ["sh", "-c", "echo >> /etc/hosts"], user="0:0")
    assert status != 0
    assert "Read-only file system" in said


def test_a_prediction_is_what_the_next_run_does(options: Options, inventory: Any) -> None:
    driver = Driver(options["docker_host"])
    settled = {name: value for name, value in options.items() if name != "docker_host"}
    for state, memory in (("stopped", "2g"), ("started", "3g"), ("started", "3g"), ("absent", "3g")):
        given = {**settled, "conversation_id": "next", "image": IMAGE, "state": state, "memory": memory}
        wish = build_wish(defaults() | given)
        before = inventory()
        predicted = keep_one(driver, wish, dry_run=True)
        assert inventory() == before
        done = keep_one(driver, wish)
        assert (predicted.plan.actions, predicted.plan.after) == (done.plan.actions, done.plan.after)


def test_of_many_one_that_fails_harms_no_other(options: Options, client: docker.DockerClient, inventory: Any) -> None:
    client.volumes.create("ws-taken-workspace")
    entries = [{"conversation_id": f"m{number}"} for number in range(5)]
    told = workspaces.create_many(
        [
            *entries,
            {"conversation_id": "lost", "image": "no/such:image"},
            {"conversation_id": "dead", "command": ["sh", "-c", "echo no luck; exit 3"]},
            {"conversation_id": "taken"},
        ],
        image=IMAGE,
        **options,
    )
    by_name = {entry["conversation_id"]: entry for entry in told["workspaces"]}
    assert [name for name, entry in by_name.items() if entry["failed"]] == ["lost", "dead", "taken"]
    assert "has no image no/such:image" in by_name["lost"]["msg"]
    assert "ended with status 3; its last words: no luck" in by_name["dead"]["msg"]
    assert "exists without the label" in by_name["taken"]["msg"]
    assert told["msg"].startswith("cannot keep 3 of 8 workspaces:")
    assert {name for name in inventory() if "-" not in name.removeprefix("/ws-")} == {
        f"/ws-m{number}" for number in range(5)
    }
    again = workspaces.create_many(entries, image=IMAGE, **options)
    assert not again["changed"]
    assert len({entry["container"]["id"] for entry in again["workspaces"]}) == 5


def test_two_runs_at_one_conversation_make_one_container(options: Options) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _turn: workspaces.create("race", IMAGE, **options), range(4)))
    assert sorted(entry["changed"] for entry in made) == [False, False, False, True]
    assert len({entry["container"]["id"] for entry in made}) == 1


def test_a_run_does_not_wait_for_ever() -> None:
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock.locked(["busy"]):
            held.set()
            leave.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert held.wait(10)
        with pytest.raises(WorkspaceError, match="another run still works on it"), lock.locked(["busy"], patience=0.1):
            pass
    finally:
        leave.set()
        other.join()


def test_conversations_end_when_their_time_is_over(options: Options, inventory: Any) -> None:
    driver = Driver(options["docker_host"])
    settings = Settings(orphan_grace=1, proxy_control_socket="/run/no-such.sock")
    workspaces.create("kept", IMAGE, **options)
    workspaces.create("later", IMAGE, expires_after="1h", **options)
    workspaces.create("over", IMAGE, expires_after="1s", **options)
    workspaces.create("idle", IMAGE, idle_after="2s", state="stopped", **options)
    labels = {"io.bulkhead.workspace.managed": "true", "io.bulkhead.workspace.conversation": "left"}
    driver.create_volume("ws-left-venv", {}, labels)
    driver.create_volume("somebody-elses", {}, {})
    time.sleep(3)
    predicted = reap(driver, settings, dry_run=True)
    assert "/ws-over" in inventory()
    ended = reap(driver, settings)
    assert [(entry.conversation_id, entry.actions) for entry in ended] == [
        (entry.conversation_id, entry.actions) for entry in predicted
    ]
    assert {entry.conversation_id: entry.reason.split(":")[0] for entry in ended} == {
        "over": "expired",
        "idle": "idle",
        "left": "orphan",
    }
    assert not any(entry.error for entry in ended)
    left = {name for name in inventory() if name.startswith("/")}
    assert left == {"/ws-kept", "/ws-later"}
    assert "somebody-elses" in inventory()
    assert reap(driver, settings) == []


def with_health(client: docker.DockerClient, name: str, check: str) -> str:
    """The workspace image with a health check that runs every 100 ms."""
    # Docker wants nanoseconds, and at least a millisecond.
    made = client.api.create_container(IMAGE)
    every = 100_000_000
    client.api.commit(
        made["Id"],
        repository=name,
        tag="1",
        conf={"Healthcheck": {"Test": ["CMD-SHELL", check], "Interval": every, "Timeout": 10 * every, "Retries": 2}},
    )
    client.api.remove_container(made["Id"])
    return f"{name}:1"


def test_started_means_healthy_where_the_image_says_how_to_tell(
    options: Options, client: docker.DockerClient, inventory: Any
) -> None:
    good = with_health(client, "test/healthy", "test -e /tmp/ready")
    ready = ["sh", "-c", "sleep 1; touch /tmp/ready; exec sleep 600"]
    workspaces.create("well", good, command=ready, **options)
    assert client.containers.get("ws-well").attrs["State"]["Health"]["Status"] == "healthy"
    before = inventory()
    with pytest.raises(WorkspaceError, match=r"after 2 s it is running and (starting|unhealthy)"):
        workspaces.create("ill", good, command=["sleep", "600"], start_timeout=2, **options)
    assert inventory() == before


def test_an_image_s_setuid_files_and_root_user_are_told(options: Options, client: docker.DockerClient) -> None:
    made = client.api.create_container(IMAGE, command=["chmod", "4755", "/usr/bin/sleep"], user="0:0")
    client.api.start(made["Id"])
    client.api.wait(made["Id"])
    client.api.commit(made["Id"], repository="test/setuid", tag="1", conf={"User": "", "Cmd": ["sleep", "600"]})
    told = workspaces.create("suspicious", "test/setuid:1", **options)
    assert "/usr/bin/sleep" in told["image"]["setuid_files"]
    assert any("names root as its user" in warning for warning in told["warnings"])
    assert any("/usr/bin/sleep" in warning for warning in told["warnings"])
    again = workspaces.create("suspicious", "test/setuid:1", **options)
    assert (again["changed"], again["warnings"], again["image"]) == (False, [], told["image"])


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry on a free port of the loopback, which Docker takes without a certificate."""
    settings = tmp_path / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/data}}}}\n"
        "http: {addr: '127.0.0.1:0'}\nlog: {level: info, formatter: json}\n"
    )
    served = subprocess.Popen(
        ["docker-registry", "serve", str(settings)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert served.stdout is not None
        line = next(line for line in served.stdout if "listening on" in line)
        threading.Thread(target=served.stdout.read, daemon=True).start()
        yield line.split("listening on ")[1].split('"')[0].split(",")[0].strip()
    finally:
        served.terminate()
        served.wait()


def test_an_image_is_pulled_when_asked_and_only_then(
    options: Options, client: docker.DockerClient, registry: str, inventory: Any
) -> None:
    name = f"{registry}/small"
    client.api.import_image_from_data(b"\0" * 10240, repository=name, tag="1")
    client.api.push(name, tag="1")
    digest = client.images.get(f"{name}:1").attrs["RepoDigests"][0]
    client.images.remove(f"{name}:1", force=True)
    with pytest.raises(WorkspaceError, match="not pulled unless asked"):
        workspaces.create("pulled", digest, command=["/none"], **options)
    predicted = keep_one(
        Driver(options["docker_host"]),
        build_wish(
            defaults()
            | {key: value for key, value in options.items() if key != "docker_host"}
            | {"conversation_id": "pulled", "image": digest, "command": ["/none"], "pull": True, "state": "stopped"}
        ),
        dry_run=True,
    )
    told = workspaces.create("pulled", digest, command=["/none"], pull=True, state="stopped", **options)
    assert told["actions"] == [str(action) for action in predicted.plan.actions]
    assert told["actions"][0] == f"pull image {digest}"
    assert not workspaces.create("pulled", digest, command=["/none"], pull=True, state="stopped", **options)["changed"]
    before = inventory()
    with pytest.raises(WorkspaceError, match=f"cannot pull image {registry}/none:1"):
        workspaces.create("other", f"{registry}/none:1", command=["/none"], pull=True, **options)
    assert inventory() == before


def test_a_draining_host_takes_no_new_conversation(
    options: Options, inventory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces.create("there", IMAGE, **options)
    before = inventory()
    drain = tmp_path / "draining"
    drain.write_text("kernel update, since 08:15\n")
    monkeypatch.setattr(observe, "DRAIN_FILE", drain)
    with pytest.raises(WorkspaceError, match=r"host is being drained \(kernel update, since 08:15\)"):
        workspaces.create("fresh", IMAGE, **options)
    assert inventory() == before
    # What runs goes on, and may end.
    assert not workspaces.create("there", IMAGE, **options)["changed"]
    assert workspaces.remove("there", docker_host=options["docker_host"], proxy=False)["changed"]


def test_what_could_not_be_saved_is_not_removed(options: Options, client: docker.DockerClient) -> None:
    workspaces.create("dear", IMAGE, **options)
    nowhere = {"bucket": "none", "endpoint_url": "http://127.0.0.1:1", "access_key": "k", "secret_key": "s" * 20}
    with pytest.raises(WorkspaceError, match=r"nothing was removed, because the files are not saved"):
        workspaces.remove("dear", docker_host=options["docker_host"], proxy=False, archive=nowhere)
    # It goes on as if nothing had been.
    assert client.containers.get("ws-dear").status == "running"
    assert workspaces.remove("dear", docker_host=options["docker_host"], proxy=False)["changed"]
