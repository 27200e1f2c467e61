# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two conversations side by side: each can work, neither sees the other, and both look harmless from the host.

Asked with the docker command and the kernel's files, not with the module under test.
"""

from __future__ import annotations

import pytest
from testinfra.host import Host

CONVERSATIONS = ("demo", "other")
WRITABLE = ("/workspace", "/opt/venv", "/tmp", "/var/tmp", "/home/appuser", "/home/appuser/.cache", "/dev/shm")


def inside(host: Host, conversation: str, command: str, user: str = "1000:1000") -> str:
    """What a shell command in a container prints; errors too."""
    result = host.run("docker exec --user %s ws-%s sh -c %s", user, conversation, command)
    return str(result.stdout + result.stderr).strip()


def first_process(host: Host, conversation: str) -> str:
    """/proc directory of the container's first process."""
    return "/proc/" + str(host.check_output("docker inspect --format '{{.State.Pid}}' ws-%s", conversation))


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("path", WRITABLE)
def test_the_user_can_work(host: Host, conversation: str, path: str) -> None:
    assert inside(host, conversation, f"echo fine > {path}/try && cat {path}/try && rm {path}/try") == "fine"


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/bin", "/run/proxy", "/opt", "/srv"])
def test_nothing_else_can_be_written_not_even_as_root(host: Host, path: str) -> None:
    seen = inside(host, "demo", f"touch {path}/try", user="0:0")
    assert "Read-only file system" in seen


@pytest.mark.parametrize("path", ["/tmp", "/var/tmp", "/home/appuser", "/dev/shm"])
def test_memory_file_systems_do_not_run_programs(host: Host, path: str) -> None:
    seen = inside(host, "demo", f"cp /usr/bin/true {path}/try && {path}/try; rm -f {path}/try")
    assert "Permission denied" in seen


def test_programs_run_from_the_workspace(host: Host) -> None:
    command = (
        "printf '#!/bin/sh\\necho ran\\n' > /workspace/try; chmod +x /workspace/try; /workspace/try; rm /workspace/try"
    )
    assert inside(host, "demo", command) == "ran"


def test_files_of_one_are_not_those_of_the_other(host: Host) -> None:
    for path in ("/workspace", "/tmp", "/dev/shm", "/opt/venv"):
        inside(host, "demo", f"echo mine > {path}/only-demo")
        assert "No such file" in inside(host, "other", f"cat {path}/only-demo")
        inside(host, "demo", f"rm {path}/only-demo")


def test_processes_of_one_are_not_those_of_the_other(host: Host) -> None:
    host.check_output("docker exec --detach ws-demo sleep 12345")
    assert "12345" in inside(host, "demo", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "12345" not in inside(host, "other", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    inside(host, "demo", "kill $(grep -l 12345 /proc/[0-9]*/cmdline | cut -d/ -f3)")


def test_each_has_its_own_namespaces(host: Host) -> None:
    directories = [first_process(host, conversation) for conversation in CONVERSATIONS]
    for kind in ("cgroup", "ipc", "mnt", "net", "pid", "uts"):
        links = {host.check_output(f"readlink {directory}/ns/{kind}") for directory in [*directories, "/proc/1"]}
        assert len(links) == 3, kind


def test_each_volume_has_a_quota_of_its_own(host: Host) -> None:
    report = host.check_output("xfs_quota -x -c 'report -p -N' /var/lib/docker")
    limits = {line.split()[0]: int(line.split()[3]) for line in report.splitlines() if line.startswith("#")}
    report = host.check_output("xfs_quota -x -c 'report -p -i -N' /var/lib/docker")
    files = {line.split()[0]: int(line.split()[3]) for line in report.splitlines() if line.startswith("#")}
    projects = []
    for conversation in CONVERSATIONS:
        for volume, size in (("workspace", 4 << 20), ("venv", 1 << 20)):
            name = f"ws-{conversation}-{volume}"
            directory = host.check_output("docker volume inspect --format '{{.Mountpoint}}' %s", name)
            projects.append(host.check_output("xfs_io -r -c lsproj %s", directory).split()[-1])
            assert limits[f"#{projects[-1]}"] == size
            # One file for each 16 KiB; the sizes above are in KiB.
            assert files[f"#{projects[-1]}"] == size // 16
    assert len(set(projects)) == 4


def test_each_has_only_its_own_socket(host: Host) -> None:
    sockets = [inside(host, conversation, "stat -c %i /run/proxy/proxy.sock") for conversation in CONVERSATIONS]
    assert len(set(sockets)) == 2
    own = host.check_output("stat -c %i /var/lib/credential_proxy/conversations/demo/proxy.sock")
    assert sockets[0] == own


def test_the_forwarder_reaches_the_proxy(host: Host) -> None:
    """The proxy refuses this path by itself, which proves the way there without any upstream."""
    command = (
        'python3 -c \'import http.client; c = http.client.HTTPConnection("127.0.0.1", 9080, timeout=10); '
        'c.request("DELETE", "/nowhere"); print(c.getresponse().status)\''
    )
    assert inside(host, "demo", command).isdigit()
    # As the proxy says, of the one route that it has.
    assert inside(host, "demo", "echo $ANTHROPIC_BASE_URL $ANTHROPIC_API_KEY") == "http://127.0.0.1:9080 placeholder"


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_on_the_host_the_user_is_nobody(host: Host, conversation: str) -> None:
    status = dict(
        line.split(":", 1) for line in host.check_output(f"cat {first_process(host, conversation)}/status").splitlines()
    )
    assert status["Uid"].split() == ["101000"] * 4
    assert (status["Seccomp"].strip(), status["NoNewPrivs"].strip()) == ("2", "1")
    assert status["CapEff"].strip() == "0" * 16
    assert status["CapBnd"].strip() == "00000000000000c3"
    confinement = host.check_output(f"cat {first_process(host, conversation)}/attr/apparmor/current")
    assert confinement.strip() == "workspace-container (enforce)"


def test_there_is_no_network(host: Host) -> None:
    interfaces = host.check_output(f"cat {first_process(host, 'demo')}/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
    assert len(host.check_output(f"cat {first_process(host, 'demo')}/net/route").splitlines()) == 1


def test_a_program_reaches_itself_by_name(host: Host) -> None:
    assert inside(host, "demo", "getent hosts localhost").split()[0] in ("127.0.0.1", "::1")
    assert inside(host, "demo", "cat /etc/hostname") == inside(host, "demo", "hostname")


def test_the_credential_is_nowhere_inside(host: Host) -> None:
    secret = host.check_output("cat /etc/credential_proxy/credentials/anthropic")
    assert secret not in inside(host, "demo", "env; cat /proc/[0-9]*/environ 2>/dev/null", user="0:0")
    assert secret not in host.check_output("docker inspect ws-demo")
