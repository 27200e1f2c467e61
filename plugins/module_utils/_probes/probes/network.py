# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Ways out by the network; none may be left. The host offers stand-ins on its own addresses, which controls reach."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..probe import Figures, Impossible, Probe, Surroundings
from ..toolkit import REFUSED, SUCCEEDED, UNSUPPORTED, Outcome, each, tried


def list_interfaces(_figures: Figures) -> Outcome:
    """Looks for an interface besides the loopback."""
    with open("/proc/net/dev") as file:
        found = [line.split(":")[0].strip() for line in file.read().splitlines()[2:]]
    others = [name for name in found if name != "lo"]
    if others:
        return SUCCEEDED, f"interfaces {', '.join(others)}"
    return REFUSED, "no interface but lo"


def connect_to(figures: Figures) -> Outcome:
    """Connects, and reads what the other side says."""
    import socket

    def spoken(address: Sequence[Any]) -> str:
        with socket.create_connection((address[0], address[1]), timeout=3) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: probe\r\n\r\n")
            answer = connection.recv(40).decode(errors="replace").splitlines()
            return f"answer {answer[:1]}"

    return each("connect to", figures["addresses"], spoken)


def resolve_name(figures: Figures) -> Outcome:
    """Sends a DNS question to the configured resolvers and to a stand-in on the host."""
    import socket

    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01"
    servers = [tuple(figures["server"])]
    try:
        with open("/etc/resolv.conf") as file:
            servers += [(line.split()[1], 53) for line in file if line.startswith("nameserver ")]
    except OSError:
        pass

    def asked(server: tuple[str, int]) -> str:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.settimeout(1)
            connection.connect(server)
            connection.send(question)
            return f"answer of {len(connection.recv(512))} bytes"

    return each("ask", servers[:3], asked)


def route_out(figures: Figures) -> Outcome:
    """Asks the kernel for a way to addresses outside, and to those of the machine; no packet is sent."""
    import socket

    def asked(address: Sequence[Any]) -> str:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.connect(tuple(address))
            return f"a way from {connection.getsockname()[0]}"

    if figures["version"] == 4:
        with open("/proc/net/fib_trie") as file:
            own = {line.split()[1] for line in file if "|--" in line}
        found = [(text, 53) for text in sorted(own) if not text.startswith(("127.", "0."))]
        return each("a way to", [("198.51.100.1", 53), ("10.0.0.1", 53), *found], asked)
    if not os.path.exists("/proc/net/if_inet6"):
        return UNSUPPORTED, "the kernel has no IPv6"
    with open("/proc/net/if_inet6") as file:
        rows = [line.split() for line in file]
    scoped = [(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])), 53, 0, int(row[1], 16)) for row in rows]
    scoped = [entry for entry in scoped if entry[0] != "::1"]
    if not scoped:
        return UNSUPPORTED, "no IPv6 address besides that of the loopback"
    return each("a way to", [("2001:db8::1", 53), *scoped], asked)


def connect_abstract(figures: Figures) -> Outcome:
    """Connects to a socket that has a name but no file; it belongs to the network namespace."""
    import socket

    def connected() -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(3)
            connection.connect("\0" + figures["name"])

    try:
        return tried("connect to an abstract socket of the host", connected)
    except OSError as error:
        return REFUSED, str(error)


def _metadata(surroundings: Surroundings) -> Figures | Impossible:
    if not surroundings.metadata_answers:
        return Impossible(reason="nothing answers at 169.254.169.254 on this host")
    return {"addresses": [("169.254.169.254", 80)]}


_NETWORK = ("network_none",)
_TABLE = "security design, table of destructive commands"


def _probe(probe_id: str, title: str, act: object, figures: object, *references: str) -> Probe:
    return Probe(
        id=probe_id,
        layer="L4",
        title=title,
        act=act,  # type: ignore[arg-type]
        figures=figures,  # type: ignore[arg-type]
        defences=_NETWORK,
        references=references,
        timeout=15,
    )


PROBES = (
    _probe("interfaces", "Find a network interface", list_interfaces, lambda _s: {}, "security design: layer 4"),
    _probe(
        "metadata_contact",
        "Contact the cloud's metadata service",
        connect_to,
        _metadata,
        f"{_TABLE}: curl of the metadata service",
    ),
    _probe(
        "data_upload",
        "Send data to an address outside",
        connect_to,
        lambda s: {"addresses": [list(s.tcp)]},
        f"{_TABLE}: curl of a secret to another host",
    ),
    _probe(
        "database_contact",
        "Contact the database of the back end",
        connect_to,
        lambda s: {"addresses": [[s.host_name, 5432], [s.tcp[0], s.tcp[1]]]},
        f"{_TABLE}: psql",
    ),
    _probe("name_lookup", "Look up a name", resolve_name, lambda s: {"server": list(s.udp)}, f"{_TABLE}: psql"),
    _probe("route_ipv4", "Find a way out by IPv4", route_out, lambda _s: {"version": 4}, "CIS Docker 5.10"),
    _probe("route_ipv6", "Find a way out by IPv6", route_out, lambda _s: {"version": 6}, "CIS Docker 5.10"),
    _probe(
        "abstract_socket",
        "Connect to a nameless socket of the host",
        connect_abstract,
        lambda s: {"name": s.abstract},
        "CVE-2020-15257",
    ),
)
