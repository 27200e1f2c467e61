# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The apparmor role's real policy: what its rules add up to, and that the real parser takes the text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.bulkhead.workspace.plugins.plugin_utils import _apparmor
from generate import role_variable
from hypothesis import given
from hypothesis import strategies as st
from workloads.judge import missing

POLICY: dict[str, Any] = role_variable("apparmor", "__apparmor_policy", __apparmor_abi="abi/3.0")


def with_extra(variable: str, directory: str) -> dict[str, Any]:
    extra = [
        {**entry, "directories": [directory] if entry["variable"] == variable else []} for entry in POLICY["extra"]
    ]
    return {**POLICY, "extra": extra}


def granted(text: str, path: str, access: str) -> bool:
    """Whether the profile grants every letter of `access` on `path`."""
    return not missing(text, path, access)


TEXT = _apparmor.render_profile(POLICY)

NEEDED = [
    ("/workspace/", "r"), ("/workspace/a/b.py", "rwlkmx"), ("/opt/venv/bin/python", "rx"), ("/opt/venv/lib/x.so", "rm"),
    ("/tmp/x", "rwlk"), ("/var/tmp/x", "rwlk"), ("/home/appuser/.cache/pip/x", "rwlk"), ("/dev/shm/sem.x", "rwlk"),
    ("/run/proxy/proxy.sock", "rw"), ("/run/ws/a.sock", "rw"), ("/run/agent.sock", "rw"), ("/usr/bin/bash", "rmx"),
    ("/usr/sbin/docker-init", "rx"), ("/sbin/docker-init", "rx"), ("/lib/x86_64-linux-gnu/libc.so.6", "rm"),
    ("/etc/passwd", "r"), ("/etc/ld.so.cache", "r"), ("/opt/workspace_agent/main.py", "r"), ("/", "r"),
    ("/dev/null", "rw"), ("/proc/12/stat", "r"), ("/proc/12/fd/3", "r"), ("/proc/12/task/13/comm", "rw"),
    ("/proc/cpuinfo", "r"), ("/proc/sys/vm/overcommit_memory", "r"), ("/sys/fs/cgroup/memory.max", "r"),
    ("/sys/devices/system/cpu/online", "r"), ("/dev/pts/0", "rw"),
]  # fmt: skip
REFUSED = [
    ("/etc/shadow", "r"), ("/etc/shadow", "w"), ("/etc/gshadow-", "r"), ("/etc/sudoers", "r"),
    ("/etc/sudoers.d/x", "r"), ("/etc/ssh/ssh_host_rsa_key", "r"), ("/etc/passwd", "w"), ("/proc/kcore", "r"),
    ("/proc/kallsyms", "r"), ("/proc/1/mem", "r"), ("/proc/1/mem", "w"), ("/proc/1/task/1/mem", "r"),
    ("/proc/1/attr/exec", "w"), ("/proc/1/attr/apparmor/exec", "w"), ("/proc/1/uid_map", "w"),
    ("/proc/sysrq-trigger", "w"), ("/proc/sys/kernel/core_pattern", "w"), ("/proc/sys/kernel/modprobe", "w"),
    ("/proc/sys/kernel/hostname", "w"), ("/proc/sys/fs/binfmt_misc/register", "w"), ("/proc/bus/pci/00/00.0", "w"),
    ("/sys/fs/cgroup/release_agent", "w"), ("/sys/kernel/uevent_helper", "w"), ("/sys/kernel/debug/x", "r"),
    ("/sys/firmware/x", "r"), ("/sys/class/dmi/id/product_uuid", "r"), ("/run/docker.sock", "r"),
    ("/var/run/docker.sock", "w"), ("/run/containerd/containerd.sock", "r"), ("/dev/sda", "r"), ("/dev/mem", "r"),
    ("/dev/kvm", "r"), ("/dev/fuse", "w"), ("/dev/kmsg", "r"), ("/root/.ssh/id_rsa", "r"), ("/var/log/auth.log", "r"),
    ("/var/lib/docker/x", "r"), ("/mnt/host/etc/passwd", "r"), ("/usr/bin/x", "w"),
    ("/opt/workspace_agent/main.py", "w"), ("/opt/claude/claude", "w"), ("/tmp/evil", "x"), ("/tmp/evil.so", "m"),
    ("/var/tmp/evil", "x"), ("/home/appuser/evil", "x"), ("/dev/shm/evil", "x"), ("/memfd:evil", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "access"), NEEDED)
def test_what_work_needs_is_granted(path: str, access: str) -> None:
    assert granted(TEXT, path, access)


@pytest.mark.parametrize(("path", "access"), REFUSED)
def test_what_attacks_need_is_refused(path: str, access: str) -> None:
    assert not granted(TEXT, path, access)


def test_statements_that_are_not_about_files() -> None:
    for line in (
        "abi <abi/3.0>,",
        "profile workspace-container flags=(attach_disconnected,mediate_deleted) {",
        "  audit deny mount,",
        "  audit deny umount,",
        "  audit deny pivot_root,",
        "  audit deny ptrace (trace, tracedby),",
        "  signal (receive) peer=runc,",
        "  unix,",
    ):
        assert line in TEXT.splitlines()
    assert "include" not in TEXT.replace("includes", "")


def test_a_parser_that_knows_user_namespaces_denies_them() -> None:
    newer = role_variable("apparmor", "__apparmor_policy", __apparmor_abi="abi/4.0")
    assert "  audit deny userns," in _apparmor.render_profile(newer).splitlines()
    assert "userns" not in TEXT


def test_complain_mode_is_a_flag() -> None:
    assert "flags=(attach_disconnected,mediate_deleted,complain) {" in _apparmor.render_profile(
        {**POLICY, "mode": "complain"}
    )


VARIABLES = [entry["variable"] for entry in POLICY["extra"]]
NAMES = st.text("abz019._@+-", min_size=1, max_size=8)
DIRECTORIES = st.one_of(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names)),
    st.sampled_from(sorted({path for path, _ in REFUSED} | {str(Path(path).parent) for path, _ in REFUSED})),
    st.text(max_size=12).map(lambda text: "/" + text),
)


@given(st.sampled_from(VARIABLES), DIRECTORIES)
def test_no_directory_opens_what_is_refused(variable: str, directory: str) -> None:
    policy = with_extra(variable, directory)
    if _apparmor.wish_problems(policy):
        return
    text = _apparmor.render_profile(policy)
    access = next(entry["access"] for entry in POLICY["extra"] if entry["variable"] == variable)
    assert granted(text, f"{directory}/file", access.replace("i", ""))
    for path, letter in REFUSED:
        inside = path == directory or path.startswith(directory + "/")
        if not inside:
            assert not granted(text, path, letter)
        elif re.match(r"/(etc|proc|sys|dev|root|run)/", path):
            pytest.fail(f"{directory} was accepted, though {path} lies in it")


@pytest.mark.parametrize(
    ("variable", "directory", "problem"),
    [
        ("apparmor_extra_read_only", "/etc/ssl", "overlaps with /etc"),
        ("apparmor_extra_read_only", "/opt/x rw,\n  /** rwix", "is not an absolute path"),
        ("apparmor_extra_read_only", "/opt/../root", "is not an absolute path"),
        ("apparmor_extra_read_only", "opt", "is not an absolute path"),
        ("apparmor_extra_read_write", "/usr/share", "overlaps with /usr"),
        ("apparmor_extra_read_write", "/opt", "overlaps with /opt/claude"),
        ("apparmor_extra_programs", "/tmp/bin", "overlaps with /tmp"),
    ],
)
def test_directories_that_are_not_handed_out(variable: str, directory: str, problem: str) -> None:
    problems = _apparmor.wish_problems(with_extra(variable, directory))
    assert len([found for found in problems if problem in found and found.startswith(f"{variable}: ")]) == 1


def test_a_label_cannot_end_the_rule() -> None:
    problems = _apparmor.wish_problems({**POLICY, "signal_peers": ["runc", "x,\n/** rwix"]})
    assert len(problems) == 1
    assert problems[0].startswith("apparmor_extra_signal_peers: ")


@pytest.mark.parametrize("mode", ["enforce", "complain"])
def test_the_real_parser_compiles_it(tmp_path: Path, mode: str) -> None:
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    assert parser, "the Debian package apparmor is missing; run `make setup`"
    policy = with_extra("apparmor_extra_programs", "/opt/tools") | {"mode": mode}
    profile = tmp_path / "profile"
    profile.write_text(_apparmor.render_profile(policy))
    done = subprocess.run([parser, "-QKT", str(profile)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
