"""Connections that send nothing, or that read nothing, do not keep others out: each has a deadline,
and their number is bounded.

uvicorn has a limit for connections that are idle between requests, and none for a head that never
ends (slowloris) or for an answer that nobody reads.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pairsieve.explore.networks import is_loopback, network_of

CONNECTION = "connection"
"""Under which name a request finds its connection, in scope["state"]."""
Inner = Callable[[Mapping[str, Any]], asyncio.Protocol]
"""What reads HTTP, given what to put into the state of each request."""


@dataclass(frozen=True)
class Patience:
    """Seconds and numbers.

    A browser opens 6 connections to a host; many people may share an IPv4 address.
    """

    head_s: float = 10.0
    request_s: float = 120.0  # for body, work and answer; the gate is stricter for the body
    most: int = 1_000
    most_each: int = 100
    trusts_loopback: bool = False
    """A proxy on this machine has all connections of its visitors."""


@dataclass
class Door:
    """Who is inside. `waiting`: connections without a whole head, the oldest first."""

    patience: Patience = field(default_factory=Patience)
    inside: int = 0
    inside_of: Counter[str] = field(default_factory=Counter)
    waiting: dict[Connection, None] = field(default_factory=dict)

    def lets_in(self, newcomer: Connection) -> bool:
        """Whether there is room, if need be in the place of one that has waited for longest without
        a whole head.
        """
        if self.inside_of[newcomer.network] >= self._most_of(newcomer.address):
            self._make_room(newcomer.network)
        if self.inside >= self.patience.most:
            self._make_room()
        room = self.inside < self.patience.most and self.inside_of[
            newcomer.network
        ] < self._most_of(newcomer.address)
        if room:
            self.inside += 1
            self.inside_of[newcomer.network] += 1
        return room

    def left(self, connection: Connection) -> None:
        """A connection has ended."""
        self.waiting.pop(connection, None)
        self.inside -= 1
        self.inside_of[connection.network] -= 1
        if not self.inside_of[connection.network]:
            del self.inside_of[connection.network]

    def _most_of(self, address: str) -> int:
        trusted = self.patience.trusts_loopback and is_loopback(address)
        return self.patience.most if trusted else self.patience.most_each

    def _make_room(self, network: str = "") -> None:
        oldest = next((one for one in self.waiting if not network or one.network == network), None)
        if oldest is not None:
            oldest.abort()


class Connection(asyncio.Protocol):
    """One connection: what it sends goes to `inner`, which reads HTTP; what does not come in time
    ends it.
    """

    def __init__(self, door: Door, inner: Inner) -> None:
        self.address = self.network = ""
        self._door, self._inner = door, inner({CONNECTION: self})
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._inside = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in or end it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.network = network_of(self.address)
        self._inside = self._door.lets_in(self)
        if not self._inside:
            transport.abort()
            return
        self.awaits_head()
        self._inner.connection_made(transport)

    def awaits_head(self) -> None:
        """From now on a whole head has to come within its time, and the last answer has to be
        read.
        """
        if self._inside:
            self._door.waiting[self] = None
            self._end_after(self._door.patience.head_s)

    def has_head(self) -> None:
        """A whole head has come; body, work and answer have a time of their own."""
        if self._inside:
            self._door.waiting.pop(self, None)
            self._end_after(self._door.patience.request_s)

    def abort(self) -> None:
        """End it now; what is not sent stays so."""
        if self._transport is not None:
            self._transport.abort()
        self._leave()

    def data_received(self, data: bytes) -> None:
        if self._inside:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inside else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        was_made = self._timer is not None
        self._leave()
        if was_made:
            self._inner.connection_lost(error)

    def _end_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._inside:
            self._inside = False
            self._door.left(self)
