# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS guard: only global unicast addresses are dialled for a name, also when IPv6 wraps an IPv4 address."""

from __future__ import annotations

import ipaddress
from typing import Final

from .refusals import Refusal

_GLOBAL_UNICAST_V6: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")

# A metadata service that has a public-looking address (Azure).
_NEVER: Final = frozenset({ipaddress.IPv4Address("168.63.129.16")})


def is_public(text: str) -> bool:
    """Tell whether an address is one that only the Internet has; an unreadable address is not."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner_v4(address)
        if inner is not None:
            return _is_public_v4(inner)
        return address in _GLOBAL_UNICAST_V6 and address.is_global and not address.is_multicast and not address.teredo
    return _is_public_v4(address)


def vetted(addresses: list[str]) -> list[str]:
    """Return the addresses when every one is public: a mixed answer is an attack, not an accident."""
    refused = [address for address in addresses if not is_public(address)]
    if refused or not addresses:
        raise Refusal("address-guard", detail=", ".join(refused)[:120])
    return addresses


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved and address not in _NEVER


def _inner_v4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Decode the forms that a translator on the way turns back into IPv4."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
