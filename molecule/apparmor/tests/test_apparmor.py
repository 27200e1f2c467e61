# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile after a restart of the machine, in containers: forbidden acts with it and without, capabilities given."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

NAME = "workspace-container"
# No seccomp, and every capability: nothing but AppArmor can refuse.
RUN = (
    "docker run --rm --init --network none --volume /usr:/usr:ro --cap-add ALL --security-opt seccomp=unconfined "
    "--security-opt systempaths=unconfined --tmpfs /tmp:exec --tmpfs /home/appuser:exec --tmpfs /dev/shm:exec "
    "--tmpfs /run --volume /sys:/sys"
)
IMAGE = "bulkhead-test/usr:1"
PACKET = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"
MEMFD = (
    "import os, shutil; fd = os.memfd_create('x'); os.write(fd, open('/usr/bin/true', 'rb').read()); "
    "os.execve(f'/proc/self/fd/{fd}', ['x'], {})"
)
TRACE = (
    "import ctypes, os, time\n"
    "child = os.fork()\n"
    "if child == 0: time.sleep(60)\n"
    "failed = ctypes.CDLL(None).ptrace(0x4206, child, None, None)\n"
    "os.kill(child, 9)\n"
    "os._exit(1 if failed else 0)\n"
)


def python(script: str) -> str:
    return f"python3 -c {shlex.quote(script)}"


FORBIDDEN = [
    "cat /etc/shadow",
    "cp /usr/bin/true /tmp/x && /tmp/x",
    "cp /usr/bin/true /home/appuser/x && /home/appuser/x",
    "cp /usr/bin/true /dev/shm/x && /dev/shm/x",
    "mount -t tmpfs none /mnt && umount /mnt",
    "mount --bind /usr /mnt && umount /mnt",
    "head -c 1 /proc/1/mem 2>&1 | grep -q 'Input/output error'",
    "cat /proc/kallsyms",
    "cat /proc/keys",
    "echo x > /proc/sys/kernel/hostname",
    ": >> /sys/module/apparmor/parameters/debug",
    "ls /sys/kernel/security/apparmor",
    "echo 1000 > /proc/self/coredump_filter",
    "echo changeprofile unconfined > /proc/self/attr/current",
    "touch /opt/new",
    "touch /etc/new",
    python(PACKET),
    python(MEMFD),
    python(TRACE),
]
PERMITTED = [
    "cp /usr/bin/true /workspace/x && /workspace/x",
    "cp /usr/bin/true /opt/venv/x && /opt/venv/x",
    "echo text > /tmp/x && ln /tmp/x /tmp/y && cat /tmp/y",
    "ls / /tmp /workspace /etc /dev /proc /opt > /dev/null",
    "ps ax | grep -q sleep || ps ax",
    "cat /proc/self/status /proc/meminfo /proc/self/environ > /dev/null",
    python("import multiprocessing; assert multiprocessing.Pool(2).map(abs, [-1]) == [1]"),
    python("import socket; a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'"),
    python("import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"),
]


# Runs in the container: each command in a shell of its own, then an exit code a line.
SCRIPT = """
import json, subprocess, sys
commands = json.loads(sys.argv[1])
print(json.dumps([subprocess.run(["sh", "-c", command], capture_output=True).returncode for command in commands]))
"""


def outcomes(host: Host, profile: str) -> dict[str, int]:
    commands = FORBIDDEN + PERMITTED
    script = f"{python(SCRIPT)} {shlex.quote(json.dumps(commands))}"
    codes = json.loads(host.check_output(f"{RUN} --security-opt apparmor={profile} {IMAGE} {script}"))
    return dict(zip(commands, codes, strict=True))


@pytest.fixture(scope="module")
def confined(host: Host) -> dict[str, int]:
    return outcomes(host, NAME)


@pytest.fixture(scope="module")
def unconfined(host: Host) -> dict[str, int]:
    return outcomes(host, "unconfined")


@pytest.fixture(scope="module")
def container(host: Host) -> Iterator[str]:
    host.check_output(f"{RUN} --detach --name confined --security-opt apparmor={NAME} {IMAGE} sleep 600")
    yield "confined"
    host.run("docker rm --force confined")


def test_the_profile_is_loaded_after_a_restart(host: Host) -> None:
    assert f"{NAME} (enforce)" in host.file("/sys/kernel/security/apparmor/profiles").content_string.splitlines()


def test_it_is_loaded_before_docker_starts(host: Host) -> None:
    """Boot order, as systemd worked it out: docker after basic.target, which is after AppArmor's service."""
    assert "sysinit.target" in host.check_output("systemctl show --property=Before --value apparmor.service").split()
    assert "sysinit.target" in host.check_output("systemctl show --property=After --value docker.service").split()


@pytest.mark.parametrize("command", FORBIDDEN)
def test_the_act_is_refused_by_the_profile_alone(
    confined: dict[str, int], unconfined: dict[str, int], command: str
) -> None:
    assert confined[command] != 0
    assert unconfined[command] == 0


@pytest.mark.parametrize("command", PERMITTED)
def test_work_goes_on(confined: dict[str, int], command: str) -> None:
    assert confined[command] == 0


def test_the_host_sees_the_label(host: Host, container: str) -> None:
    pid = host.check_output("docker inspect --format '{{.State.Pid}}' %s", container)
    assert host.file(f"/proc/{pid}/attr/current").content_string.strip("\0\n") == f"{NAME} (enforce)"


def test_refusals_are_logged_with_profile_and_path(host: Host, container: str) -> None:
    host.run("docker exec %s cat /etc/gshadow", container)
    host.run("docker exec %s cat /proc/kcore", container)
    log = host.check_output("cat /var/log/audit/audit.log; journalctl --dmesg --no-pager")
    refused = [line for line in log.splitlines() if 'apparmor="DENIED"' in line and f'profile="{NAME}"' in line]
    assert any('name="/proc/kcore"' in line for line in refused)


def test_an_own_socket_in_a_mounted_directory_can_be_used(host: Host) -> None:
    """As the credential proxy is reached: the directory comes from the host, read-only."""
    script = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/proxy/proxy.sock'); "
        "print(s.recv(5).decode())"
    )
    host.check_output("mkdir -p /srv/proxy && rm -f /srv/proxy/proxy.sock")
    host.check_output(
        "systemd-run --collect --unit=stand-in "
        "socat UNIX-LISTEN:/srv/proxy/proxy.sock,mode=666,fork SYSTEM:'printf hello' && "
        "until test -S /srv/proxy/proxy.sock; do sleep 0.1; done"
    )
    try:
        run = f"{RUN} --volume /srv/proxy:/run/proxy:ro --user 1000 --security-opt apparmor={NAME} {IMAGE}"
        assert host.check_output(f"{run} {python(script)}") == "hello"
    finally:
        host.run("systemctl stop stand-in")


def test_docker_stop_ends_a_container_within_its_grace_time(host: Host, container: str) -> None:
    assert host.run("timeout 8 docker stop --time 60 %s", container).rc == 0
