# Copyright (c) bulkhead.workspace contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS guard: only global unicast addresses are dialled for a name, also when IPv6 wraps an IPv4 address.

The table is our own (from IANA's special-purpose registries), because what ``is_global`` says differs between Pythons.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from .refusals import Refusal

_NOT_PUBLIC_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # the metadata service of a cloud (Azure), although the range is public
    )
)
_UNICAST_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))

# Forms that a translator on the way turns back into IPv4: mapped, compatible, NAT64.
_WRAPPED_V4: Final = tuple(IPv6Network(network) for network in ("::ffff:0:0/96", "::/96", "64:ff9b::/96"))


def is_public(text: str) -> bool:
    """Tell whether an address is one that only the Internet has; an unreadable address is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_v4(address)
    inner = _inner_v4(address)
    if inner is not None:
        return _is_public_v4(inner)
    return address in _UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def vetted(addresses: list[str]) -> list[str]:
    """Return the addresses when every one is public: a mixed answer is an attack, not an accident."""
    refused = [address for address in addresses if not is_public(address)]
    if refused or not addresses:
        raise Refusal("address-guard", detail=", ".join(refused)[:120])
    return addresses


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _NOT_PUBLIC_V4)


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    """Decode an IPv4 address inside an IPv6 one."""
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in _WRAPPED_V4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
