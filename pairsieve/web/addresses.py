"""Which addresses may be asked: public ones, and networks that the config allows.

pairsieve/web/connector.py asks where a socket is opened. It needs aiohttp, and this module does
not: rules and settings ask about addresses too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""RFC 4291, 2.4: all of IPv6 that is given out. Outside are loopback, `::/96`, `64:ff9b:1::/48`,
`fc00::/7`, `fe80::/10`, `fec0::/10`...
"""

NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        # IANA IPv4 Special-Purpose Address Registry: what is not globally reachable. Of
        # 192.0.0.0/24 some addresses are, but they lead to the nearest NAT or relay (RFC 7723, RFC
        # 8155), which may be one's own.
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "240.0.0.0/4",
        "224.0.0.0/4",  # multicast, RFC 5771
        # IANA IPv6 Special-Purpose Address Registry, inside GLOBAL_UNICAST: protocol assignments
        # with Teredo, documentation, 6to4. Teredo and 6to4 lead to an IPv4 address behind a relay
        # (RFC 4380, RFC 7526): no site is served from there.
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip


class PrivateAddress(OSError):
    """A connection to an address which is not public."""


def is_address(host: str) -> bool:
    """Whether a host is an IP address and no name."""
    return _address(host) is not None


def is_allowed_address(address: str, allow_networks: Iterable[str]) -> bool:
    """Whether an IP address is public, or in a network that the config allows.

    What is no IP address is not allowed.
    """
    ip = _address(address)
    if ip is None:
        return False
    reached = _ipv4_inside(ip) or ip
    return any(
        reached in ipaddress.ip_network(network) for network in allow_networks
    ) or _is_public(reached)


def _is_public(ip: Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and (ip.scope_id or ip not in GLOBAL_UNICAST):
        return False  # an address with a zone is local to a link (RFC 4007)
    return not any(ip in network for network in NOT_PUBLIC)


def _ipv4_inside(ip: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which the machine, or its own network, turns an IPv6 one: mapped (RFC
    4291) or by NAT64 (RFC 6052).
    """
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip.ipv4_mapped


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
