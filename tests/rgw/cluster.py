# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One monitor, one memory store, one gateway: the smallest Ceph that serves S3. All state lies in one directory."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .process import HarnessError, Process, run, start

ROOT = Path(__file__).resolve().parent.parent.parent
STATE = Path(os.environ.get("BULKHEAD_RGW_HOME", ROOT / "build" / "rgw"))

ACCESS_KEY = "HARNESSKEY"
SECRET_KEY = "harness-secret-key"  # noqa: S105  for a server on the loopback interface that lives for minutes
START_SECONDS = 60.0
REAL_DAYS = -1  # Ceph's word for days that have 24 hours
COMMAND_SECONDS = 60.0

# Below the ephemeral range, where an outgoing connection could hold the port. A server takes one block of them, at
# random, so that two which start at the same moment do not take the same.
PORTS = range(15000, 31800)
PORTS_EACH = 24
PORT_TRIES = 50

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

# Values that are not Ceph's own: no authentication between the daemons, no replicas, and quick elections. Without
# osd_fast_shutdown=false the memory store would lose its content on a stop; without ms_mon_client_mode the gateway
# never gets past its first request to the monitor.
CONFIG = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]
public_addr = 127.0.0.1
ms_bind_port_min = {osd_first}
ms_bind_port_max = {osd_last}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc secure
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_warn = 1
mon_data_avail_crit = 1
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_fast_shutdown = false
osd_class_load_list = *
osd_class_default_list = *
run_dir = {state}
admin_socket = {state}/$name.asok
log_file = {state}/$name.log
pid_file = {state}/$name.pid
mon_data = {state}/mon
osd_data = {state}/osd
rgw_data = {state}/gateway
rgw_frontends = beast endpoint=127.0.0.1:{http}
rgw_lc_debug_interval = {day}
rgw_enable_lc_threads = {threads}
rgw_lc_max_worker = 1
rgw_lc_max_wp_worker = 1
"""


@dataclass(frozen=True)
class Cluster:
    """A running server: where it is, how to get in, and the processes that must be ended."""

    endpoint_url: str
    access_key: str
    secret_key: str
    processes: tuple[Process, ...]

    @property
    def healthy(self) -> bool:
        return all(process.alive for process in self.processes) and _answers(self.endpoint_url)

    def shown(self) -> dict[str, str]:
        return {key: getattr(self, key) for key in ("endpoint_url", "access_key", "secret_key")}


def _record() -> Path:
    return STATE / "cluster.json"


def _save(cluster: Cluster) -> None:
    _record().write_text(json.dumps(asdict(cluster)))


def load() -> Cluster | None:
    """The cluster that an earlier `up` has left behind, running or not."""
    try:
        entries = json.loads(_record().read_text())
    except FileNotFoundError:
        return None
    return Cluster(**{**entries, "processes": tuple(Process(**process) for process in entries["processes"])})


def up(*, seconds_a_day: int = REAL_DAYS) -> Cluster:
    """The running cluster, started if there is none. Whatever was started ends again when a step fails.

    With `seconds_a_day`, its own thread runs the rules all the time, and takes so many seconds for a day.
    """
    present = load()
    if present and present.healthy:
        return present
    down()
    STATE.mkdir(parents=True)
    started: list[Process] = []
    try:
        return _start_all(started, seconds_a_day)
    except BaseException:
        for process in reversed(started):
            process.end()
        raise


def down() -> bool:
    """Ends the processes and forgets the data; whether there was anything."""
    present = load()
    for process in reversed(present.processes if present else ()):
        process.end()
    existed = STATE.exists()
    shutil.rmtree(STATE, ignore_errors=True)
    return existed


def age(bucket: str, days: int) -> None:
    """Runs the lifecycle rules as on the given day from now; the daemons stay on the true clock.

    Ceph 16 takes no heed of `--bucket`: it serves the first bucket of each of its 32 lists, and which list a bucket
    comes to lie in is chance. So a bucket that is to be aged needs a server of its own.
    """
    run(
        [*_tool("radosgw-admin"), "lc", "process", "--bucket", bucket],
        seconds=COMMAND_SECONDS,
        # The wrapper `faketime` would leave its child behind on a time-out; with a faked monotonic clock it never ends.
        environment={"LD_PRELOAD": FAKETIME, "FAKETIME": f"+{days}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
    )
    states = {entry["bucket"].split(":")[1]: entry["status"] for entry in json.loads(_admin("lc", "list"))}
    if states.get(bucket) != "COMPLETE":
        raise HarnessError(
            f"cannot age {bucket}: Ceph says {states.get(bucket, 'that it has no rules')} and served another bucket; "
            "start a server for this bucket alone"
        )


def add_user(name: str, access_key: str, secret_key: str) -> None:
    """Another user of the server, with buckets of its own."""
    keys = ["--access-key", access_key, "--secret-key", secret_key]
    _admin("user", "create", "--uid", name, "--display-name", name, *keys)


def _tool(name: str) -> list[str]:
    return [name, "-c", str(STATE / "ceph.conf")]


def _start_all(started: list[Process], seconds_a_day: int) -> Cluster:
    first = _free_ports()
    mon_v2, mon_v1, gateway = first, first + 1, first + 2
    fsid = str(uuid.uuid4())
    osd_ports = {"osd_first": first + 3, "osd_last": first + PORTS_EACH - 1}
    ports = {"mon_v2": mon_v2, "mon_v1": mon_v1, "http": gateway, **osd_ports}
    # Its own thread runs the rules from midnight to six, and may hold a bucket that `age` wants.
    threads = str(seconds_a_day != REAL_DAYS).lower()
    (STATE / "ceph.conf").write_text(CONFIG.format(fsid=fsid, state=STATE, day=seconds_a_day, threads=threads, **ports))
    endpoint = f"http://127.0.0.1:{gateway}"

    def launch(name: str, *arguments: str) -> None:
        started.append(start([*_tool(name), *arguments, "-f"], STATE / f"{name}.out"))
        _save(Cluster(endpoint, ACCESS_KEY, SECRET_KEY, tuple(started)))

    addresses = f"[v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]"
    monmap = str(STATE / "monmap")
    run(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", addresses, monmap], seconds=COMMAND_SECONDS)
    run([*_tool("ceph-mon"), "-i", "a", "--mkfs", "--monmap", monmap], seconds=COMMAND_SECONDS)
    launch("ceph-mon", "-i", "a")
    _ceph("mon", "stat")

    (STATE / "osd").mkdir()
    osd = str(uuid.uuid4())
    _ceph("osd", "new", osd)
    run([*_tool("ceph-osd"), "-i", "0", "--mkfs", "--osd-uuid", osd], seconds=COMMAND_SECONDS)
    launch("ceph-osd", "-i", "0")
    _until("the object store is up", lambda: "1 up" in _ceph("osd", "stat"))

    _prepare_zone()
    launch("radosgw", "-n", "client.rgw")
    _until("the gateway answers", lambda: _answers(endpoint))
    add_user("harness", ACCESS_KEY, SECRET_KEY)
    cluster = load()
    if not cluster or not cluster.healthy:
        raise HarnessError(f"cannot start the S3 server: a daemon has ended; see the files in {STATE}")
    return cluster


def _prepare_zone() -> None:
    _admin("user", "list")  # the first contact creates the default zone, which the next commands name
    placement = ["--placement-id", "default-placement", "--storage-class", "GLACIER"]
    _admin("zonegroup", "placement", "add", "--rgw-zonegroup", "default", *placement)
    pool = ["--data-pool", "default.rgw.glacier.data"]
    _admin("zone", "placement", "add", "--rgw-zone", "default", *placement, *pool)


def _ceph(*arguments: str) -> str:
    return run([*_tool("ceph"), "--connect-timeout", "20", *arguments], seconds=COMMAND_SECONDS)


def _admin(*arguments: str) -> str:
    return run([*_tool("radosgw-admin"), *arguments], seconds=COMMAND_SECONDS)


def _free_ports() -> int:
    """The first port of a block that nothing holds."""
    for _ in range(PORT_TRIES):
        first = random.choice(PORTS[::PORTS_EACH])  # noqa: S311  no secret
        with contextlib.suppress(OSError), contextlib.ExitStack() as probes:
            for port in range(first, first + PORTS_EACH):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise HarnessError(
        f"cannot find {PORTS_EACH} free ports in a row from {PORTS.start} to {PORTS.stop}; end what holds them"
    )


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=2) as response:  # noqa: S310  always http on the loopback interface
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def _until(condition: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise HarnessError(
                f"cannot wait until {condition}: not so after {START_SECONDS:g} s; see the files in {STATE}"
            )
        time.sleep(0.1)
