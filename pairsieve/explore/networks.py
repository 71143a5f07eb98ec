"""Group visitors by network, and read the names under which they reach the page."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv6Address, ip_address, ip_network

# What a provider gives to one subscriber, and what to one site of its own (RFC 6177).
SITE_BITS, PROVIDER_BITS = 64, 48
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what to recognise, not where to listen
_HOST = re.compile(
    r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.IGNORECASE
)


def network_of(address: str) -> str:
    """Return an IPv4 address, the /64 of an IPv6 address, or "unknown".

    Whoever has a /64 has all of its addresses, so they count as one visitor.
    """
    return _network(address, SITE_BITS)


def provider_of(address: str) -> str:
    """Return the /48 of an IPv6 address, which holds 65,536 networks of /64; else nothing."""
    network = _network(address, PROVIDER_BITS)
    return network if ":" in network else ""


def _network(address: str, bits: int) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), bits), strict=False))


def host_name(header: str) -> str:
    """Return the name in a Host header, without port and in lower case (RFC 9110, 7.2).

    It is empty when the header holds no name.
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return ""
    return (match[1] or match[2]).lower().rstrip(".")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str, public: Collection[str]) -> frozenset[str]:
    """Return the names under which the page answers.

    They are this machine's own, the address on which the page listens, and its public names.
    """
    own = frozenset() if host in ANY_ADDRESS else frozenset({host.lower()})
    return LOOPBACK_NAMES | own | {name.lower().rstrip(".") for name in public}
