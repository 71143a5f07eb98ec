"""Bound the number of connections, and end those that send or read nothing in time.

uvicorn limits only the time that a connection is idle between requests. It has no limit for a head
that never ends (slowloris), or for an answer that nobody reads.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pairsieve.explore.networks import is_loopback, network_of

CONNECTION = "connection"
"""The key in scope["state"] under which a request finds its Connection."""
MakeProtocol = Callable[[Mapping[str, Any]], asyncio.Protocol]
"""Makes the protocol that reads HTTP, given the state of each request."""


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections there may be, and how long each may take.

    A browser opens 6 connections to a host; many people may share an IPv4 address.
    """

    head_s: float = 10.0
    request_s: float = 120.0  # for body, work and answer; the gate is stricter for the body
    max_connections: int = 1_000
    max_per_network: int = 100
    trusts_loopback: bool = False
    """A proxy on this machine may have all connections, since they are those of its visitors."""


@dataclass
class ConnectionTable:
    """The open connections. `waiting`: those without a whole head, the oldest first."""

    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    connections: int = 0
    connections_of: Counter[str] = field(default_factory=Counter)
    """By network."""
    waiting: dict[Connection, None] = field(default_factory=dict)

    def admit(self, newcomer: Connection) -> bool:
        """Add a connection, or return False when there is no room.

        If need be, it takes the place of the connection that waits longest for a whole head.
        """
        network = newcomer.network
        max_of_network = self._max_of(newcomer.address)
        # Nothing is aborted where no connection waits for its head. Then there is no room.
        if self.connections_of[network] >= max_of_network:
            self._abort_oldest(network)
        if self.connections >= self.limits.max_connections:
            self._abort_oldest()
        if self.connections >= self.limits.max_connections:
            return False
        if self.connections_of[network] >= max_of_network:
            return False
        self.connections += 1
        self.connections_of[network] += 1
        return True

    def remove(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self.waiting.pop(connection, None)
        self.connections -= 1
        self.connections_of[connection.network] -= 1
        if not self.connections_of[connection.network]:
            del self.connections_of[connection.network]

    def _max_of(self, address: str) -> int:
        """Return how many connections the network of an address may have."""
        is_trusted = self.limits.trusts_loopback and is_loopback(address)
        return self.limits.max_connections if is_trusted else self.limits.max_per_network

    def _abort_oldest(self, network: str = "") -> None:
        """End the connection, of a network or of all, that waits longest for a whole head."""
        for connection in self.waiting:
            if not network or connection.network == network:
                connection.abort()  # it leaves `waiting`, so the loop must end here
                return


class Connection(asyncio.Protocol):
    """One connection. It hands its bytes to the protocol that reads HTTP, and ends on a timeout."""

    def __init__(self, table: ConnectionTable, make_protocol: MakeProtocol) -> None:
        self.address = ""
        self.network = ""
        self._table = table
        self._protocol = make_protocol({CONNECTION: self})
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or end it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.network = network_of(self.address)
        self._is_admitted = self._table.admit(self)
        if not self._is_admitted:
            transport.abort()
            return
        self.awaits_head()
        self._protocol.connection_made(transport)

    def awaits_head(self) -> None:
        """Start the time for the next whole head, in which the last answer has to be read too."""
        if self._is_admitted:
            self._table.waiting[self] = None
            self._end_after(self._table.limits.head_s)

    def has_head(self) -> None:
        """Start the time for body, work and answer: a whole head has come."""
        if self._is_admitted:
            self._table.waiting.pop(self, None)
            self._end_after(self._table.limits.request_s)

    def abort(self) -> None:
        """End the connection now, without sending what is left."""
        if self._transport is not None:
            self._transport.abort()
        self._leave()

    def data_received(self, data: bytes) -> None:
        if self._is_admitted:
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received() if self._is_admitted else None

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        # Only an admitted connection has a timer, and only its protocol knows of it.
        was_admitted = self._timer is not None
        self._leave()
        if was_admitted:
            self._protocol.connection_lost(error)

    def _end_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_admitted:
            self._is_admitted = False
            self._table.remove(self)
