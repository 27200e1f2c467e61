# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Kinds of sockets that a container without a network has no business with: making one reaches kernel code."""

from __future__ import annotations

from ..probe import ROOT, Figures, Probe
from ..toolkit import Outcome, reached


def make_socket(figures: Figures) -> Outcome:
    """Makes one socket."""
    import socket

    try:
        made = socket.socket(figures["family"], figures["kind"], figures["protocol"])
    except OSError as error:
        return reached(f"socket({figures['name']})", -(error.errno or 0))
    made.close()
    return reached(f"socket({figures['name']})", 0)


_STREAM, _DATAGRAM, _RAW, _SEQUENCE = 1, 2, 3, 5
_FILTERED = ("seccomp", "apparmor")
_RAW_CALL = (*_FILTERED, "capabilities")
_DESIGN = "security design: network none"


def _row(
    name: str, numbers: tuple[int, int, int], title: str, defences: tuple[str, ...], *references: str, user: str = ""
) -> Probe:
    family, kind, protocol = numbers
    return Probe(
        id=f"socket_{name.lower()}",
        layer="L2",
        title=title,
        act=make_socket,
        arguments={"name": name, "family": family, "kind": kind, "protocol": protocol},
        user=user,
        defences=defences,
        references=(_DESIGN, *references),
    )


PROBES = (
    _row("ALG", (38, _SEQUENCE, 0), "Reach the kernel's ciphers by a socket", _FILTERED, "CVE-2026-31431"),
    _row("VSOCK", (40, _STREAM, 0), "Speak to the hypervisor", _FILTERED, "CVE-2021-26708"),
    _row("PACKET", (17, _RAW, 0), "Read and write whole packets", _RAW_CALL, "CVE-2020-14386", user=ROOT),
    _row("RAW", (2, _RAW, 1), "Send forged packets", _RAW_CALL, "CIS Docker 5.4", user=ROOT),
    _row("NETFILTER", (16, _RAW, 12), "Speak to the packet filter", ("seccomp",), "CVE-2024-1086"),
    _row("XFRM", (16, _RAW, 6), "Speak to the IPsec code", ("seccomp",), "CVE-2017-16939"),
    _row("AUDIT", (16, _RAW, 9), "Speak to the audit system", ("seccomp",)),
    _row("KEY", (15, _RAW, 2), "Speak to the old IPsec interface", _RAW_CALL, "CVE-2022-1353", user=ROOT),
    _row("BLUETOOTH", (31, _RAW, 1), "Speak to Bluetooth", _FILTERED, "CVE-2021-3573"),
    _row("CAN", (29, _RAW, 1), "Speak to the CAN bus", _FILTERED, "CVE-2021-34693"),
    _row("TIPC", (30, _SEQUENCE, 0), "Speak TIPC", _FILTERED, "CVE-2021-43267"),
    _row("RDS", (21, _SEQUENCE, 0), "Speak RDS", _FILTERED, "CVE-2010-3904"),
    _row("SCTP", (2, _STREAM, 132), "Speak SCTP", ("seccomp",), "CVE-2021-3772"),
)
