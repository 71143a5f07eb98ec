"""Open connections to allowed addresses alone (pairsieve/web/addresses.py says which)."""

from __future__ import annotations

import socket
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from pairsieve.web.addresses import PrivateAddress, is_allowed_address


def guarded_connector(allow_networks: tuple[str, ...], connections: int) -> aiohttp.TCPConnector:
    """At most so many connections, to allowed addresses alone.

    The address is judged when its socket is made: hosts that are addresses in any spelling never
    come to the resolver.
    """
    return aiohttp.TCPConnector(
        limit=connections,
        resolver=GuardedResolver(allow_networks),
        use_dns_cache=False,
        socket_factory=partial(_guarded_socket, allow_networks),
    )


def _guarded_socket(
    allow_networks: tuple[str, ...], found: tuple[int, int, int, str, tuple[object, ...]]
) -> socket.socket:
    """A socket for one entry of getaddrinfo. Raises PrivateAddress."""
    family, kind, protocol, _, place = found
    if not is_allowed_address(str(place[0]), allow_networks):
        raise PrivateAddress("the address is not public")
    return socket.socket(family, kind, protocol)


class GuardedResolver(AbstractResolver):
    """What DNS says at connect time, or PrivateAddress: all addresses of a name must be allowed."""

    def __init__(self, allow_networks: tuple[str, ...]) -> None:
        self._resolver = aiohttp.ThreadedResolver()
        self._allow_networks = allow_networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_allowed_address(entry["host"], self._allow_networks) for entry in found):
            raise PrivateAddress("the name resolves to an address that is not public")
        return found

    async def close(self) -> None:
        await self._resolver.close()
