"""Which addresses may be asked: public ones, and networks that the config allows."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddress(OSError):
    """A name that resolves to an address which is not public."""


def is_address(host: str) -> bool:
    """Whether a host is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_allowed_address(address: str, allow_networks: Iterable[str]) -> bool:
    """Whether an IP address is public, or in a network that the config allows."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _ipv4_inside(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    if any((inner or ip) in ipaddress.ip_network(network) for network in allow_networks):
        return True
    found = inner or ip
    return found.is_global and not found.is_multicast


def _ipv4_inside(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, by NAT64 (RFC 6052), 6to4 or Teredo."""
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


class GuardedResolver(AbstractResolver):
    """What DNS says at connect time, or PrivateAddress: all addresses of a name must be allowed."""

    def __init__(self, allow_networks: tuple[str, ...]) -> None:
        self._resolver = aiohttp.ThreadedResolver()
        self._allow_networks = allow_networks

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_allowed_address(entry["host"], self._allow_networks) for entry in found):
            raise PrivateAddress("the name resolves to an address that is not public")
        return found

    async def close(self) -> None:
        await self._resolver.close()
