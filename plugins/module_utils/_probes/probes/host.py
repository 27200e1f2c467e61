# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The host and the neighbours: devices, the daemon's socket, what is another conversation's, and who one is outside."""

from __future__ import annotations

import os

from ..probe import ROOT, Figures, Probe
from ..toolkit import REFUSED, SUCCEEDED, UNSUPPORTED, Outcome


def open_devices(_figures: Figures) -> Outcome:
    """Opens every device node beyond those that each container gets from the runtime."""
    import stat

    usual = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "core", "fd", "stdin", "stdout"}
    refused = []
    for name in sorted(set(os.listdir("/dev")) - usual):
        path = f"/dev/{name}"
        mode = os.lstat(path).st_mode
        if not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
            continue
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            refused.append(name)
            continue
        return SUCCEEDED, f"opened {path}"
    return REFUSED, f"{len(refused)} devices besides the usual ones, none can be opened"


def call_daemon(_figures: Figures) -> Outcome:
    """Speaks to the socket of a container runtime."""
    import socket

    paths = ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
    told = []
    for path in paths:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(3)
                connection.connect(path)
        except OSError as error:
            told.append(f"{path}: {error.strerror}")
            continue
        return SUCCEEDED, f"connected to {path}"
    return REFUSED, "; ".join(told)


def find_sockets(_figures: Figures) -> Outcome:
    """Looks for a proxy socket besides the conversation's own, and connects to it."""
    import socket

    own, refused = "/run/proxy/proxy.sock", 0
    for top in ("/run", "/var/lib", "/workspace", "/srv", "/mnt"):
        for directory, _folders, names in os.walk(top):
            path = os.path.join(directory, "proxy.sock")
            if "proxy.sock" not in names or os.path.realpath(path) == own:
                continue
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(3)
                    connection.connect(path)
            except OSError:
                refused += 1
                continue
            return SUCCEEDED, f"connected to {path}"
    return REFUSED, f"{refused} sockets of others seen, none answers"


def find_volume(figures: Figures) -> Outcome:
    """Looks for a file that another container keeps in its volume."""
    for top in ("/workspace", "/mnt", "/srv", "/run", "/opt/venv"):
        for directory, _folders, names in os.walk(top):
            if figures["name"] in names:
                return SUCCEEDED, f"a file of another container in {directory}"
    return REFUSED, "no file of another container"


def learn_host_user(_figures: Figures) -> Outcome:
    """Reads who root inside is on the host."""
    with open("/proc/self/uid_map") as file:
        rows = [tuple(map(int, line.split())) for line in file.read().splitlines()]
    if not rows:
        return UNSUPPORTED, "no map"
    if any(outside == 0 for _inside, outside, _count in rows):
        return SUCCEEDED, "root inside is root on the host"
    return REFUSED, f"root inside is user {rows[0][1]} on the host"


PROBES = (
    Probe(
        id="host_devices",
        layer="L1",
        title="Open a device of the host",
        act=open_devices,
        user=ROOT,
        inward=True,
        defences=("devices", "apparmor"),
        references=("security design: privileged false", "CIS Docker 5.18"),
    ),
    Probe(
        id="docker_socket",
        layer="L1",
        title="Command the Docker daemon",
        act=call_daemon,
        user=ROOT,
        # Not AppArmor: the mutation proof saw its rule on this name not stop the connection to a socket mounted there.
        defences=("mounts", "userns"),
        references=("security design: container escape", "CIS Docker 5.32"),
    ),
    Probe(
        id="foreign_proxy_socket",
        layer="L6",
        title="Use the proxy socket of another conversation",
        act=find_sockets,
        user=ROOT,
        defences=("mounts",),
        references=("security design: one socket for each conversation", "CIS Docker 5.6"),
        timeout=20,
    ),
    Probe(
        id="foreign_volume",
        layer="L1",
        title="Read the files of another conversation",
        act=find_volume,
        figures=lambda surroundings: {"name": f"bulkhead-companion-{surroundings.token}"},
        user=ROOT,
        defences=("mounts",),
        references=("security design: ephemeral volumes", "CIS Docker 5.6"),
        timeout=20,
    ),
    Probe(
        id="host_root",
        layer="L7",
        title="Be root of the host by being root inside",
        act=learn_host_user,
        user=ROOT,
        defences=("userns",),
        references=("security design: userns-remap", "CIS Docker 2.9"),
    ),
)
