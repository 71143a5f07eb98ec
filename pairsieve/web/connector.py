"""Opens connections to allowed addresses only (pairsieve/web/addresses.py says which they are)."""

from __future__ import annotations

import socket
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from pairsieve.web.addresses import PrivateAddress, is_allowed_address

# One entry of getaddrinfo: family, type, protocol, canonical name, socket address.
AddressInfo = tuple[int, int, int, str, tuple[object, ...]]


def guarded_connector(allow_networks: tuple[str, ...], connections: int) -> aiohttp.TCPConnector:
    """Make a connector of at most `connections` connections, to allowed addresses only.

    The address is checked when its socket is made. A host that is an address, in any spelling,
    never reaches the resolver, so a check there would not be enough.
    """
    return aiohttp.TCPConnector(
        limit=connections,
        resolver=GuardedResolver(allow_networks),
        # A name may resolve to another address the next time.
        use_dns_cache=False,
        socket_factory=partial(_guarded_socket, allow_networks),
    )


def _guarded_socket(allow_networks: tuple[str, ...], info: AddressInfo) -> socket.socket:
    """Make a socket for one address. Raises PrivateAddress."""
    family, kind, protocol, _, socket_address = info
    if not is_allowed_address(str(socket_address[0]), allow_networks):
        raise PrivateAddress("the address is not public")
    return socket.socket(family, kind, protocol)


class GuardedResolver(AbstractResolver):
    """Resolves names for which DNS gives allowed addresses only."""

    def __init__(self, allow_networks: tuple[str, ...]) -> None:
        self._resolver = aiohttp.ThreadedResolver()
        self._allow_networks = allow_networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return all addresses of a name. Raises PrivateAddress if any of them is not allowed."""
        # One private address among public ones may be an attack, so all of them count.
        entries = await self._resolver.resolve(host, port, family)
        if not all(is_allowed_address(entry["host"], self._allow_networks) for entry in entries):
            raise PrivateAddress("the name resolves to an address that is not public")
        return entries

    async def close(self) -> None:
        await self._resolver.close()
