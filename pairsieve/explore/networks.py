"""Who asks, and by which name: networks in place of single addresses, and the names under which the
page answers.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv6Address, ip_address, ip_network

# what one subscriber, and one site of a provider, is given (RFC 6177)
SITE_BITS, PROVIDER_BITS = 64, 48
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what to recognise, not where to listen
_HOST = re.compile(
    r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.IGNORECASE
)


def network_of(address: str) -> str:
    """An IPv4 address, the /64 of an IPv6 address, or "unknown": who has a /64 has all of its
    addresses.
    """
    return _network(address, SITE_BITS)


def provider_of(address: str) -> str:
    """The /48 of an IPv6 address, of which a /64 is one of 65,536; nothing for any other."""
    found = _network(address, PROVIDER_BITS)
    return found if ":" in found else ""


def _network(address: str, bits: int) -> str:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), bits), strict=False))


def host_name(header: str) -> str:
    """The name in a Host header, without port and in lower case; nothing where it is none (RFC
    9110, 7.2).
    """
    found = _HOST.fullmatch(header)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str, public: Collection[str]) -> frozenset[str]:
    """The names under which the page answers: this machine's own, the address it listens on, and
    those it is given.
    """
    own = frozenset() if host in ANY_ADDRESS else frozenset({host.lower()})
    return LOOPBACK_NAMES | own | {name.lower().rstrip(".") for name in public}
