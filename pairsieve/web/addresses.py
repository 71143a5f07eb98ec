"""Decides which addresses may be contacted: public ones, and networks that the config allows.

pairsieve/web/connector.py asks when a socket is opened. It needs aiohttp. This module does not,
because rules and settings ask about addresses too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 4291, 2.4: all of IPv6 that is assigned to networks. Loopback, `::/96`, `64:ff9b:1::/48`,
# `fc00::/7`, `fe80::/10` and `fec0::/10` are outside of it.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        # IANA IPv4 Special-Purpose Address Registry: networks that are not globally reachable. Some
        # addresses of 192.0.0.0/24 are, but they lead to the nearest NAT or relay (RFC 7723, RFC
        # 8155), which may be our own.
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "240.0.0.0/4",
        "224.0.0.0/4",  # multicast, RFC 5771
        # IANA IPv6 Special-Purpose Address Registry, inside GLOBAL_UNICAST: protocol assignments
        # with Teredo, documentation, 6to4. Teredo and 6to4 lead to an IPv4 address behind a relay
        # (RFC 4380, RFC 7526), and no site is served from there.
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip


class PrivateAddress(OSError):
    """A connection was refused because the address is not public."""


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address and not a name."""
    return _address(host) is not None


def is_allowed_address(address: str, allow_networks: Iterable[str]) -> bool:
    """Tell whether an IP address is public, or in a network that the config allows.

    Anything but an IP address is not allowed.
    """
    ip = _address(address)
    if ip is None:
        return False
    reached = _ipv4_inside(ip) or ip
    if any(reached in ipaddress.ip_network(network) for network in allow_networks):
        return True
    return _is_public(reached)


def _is_public(ip: Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        # An address with a zone is local to a link (RFC 4007).
        if ip.scope_id:
            return False
        if ip not in GLOBAL_UNICAST:
            return False
    return not any(ip in network for network in NOT_PUBLIC)


def _ipv4_inside(ip: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, or None.

    This machine or its network translates two kinds: mapped ones (RFC 4291) and NAT64 (RFC 6052).
    """
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in NAT64:
        # The IPv4 address is the last 32 bits.
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
