"""When a host may be asked: so many connections, a pause between requests, and not at all once it
keeps failing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pairsieve.web.refusals import Refused

QUICK_S = 0.5  # a host that answers within this is quick
NEWEST = 0.3  # the weight of the newest answer in a host's mean time


def clock() -> float:
    """Seconds of the running event loop."""
    return asyncio.get_running_loop().time()


@dataclass
class HostTurns:
    """The allowance of one host in one process.

    `share`: among how many processes the host's allowance is divided.
    """

    connections: int
    interval_s: float
    share: int = 1
    next_at: float = 0.0
    left_alone: bool = False
    mean_s: float | None = None
    active: int = 0
    failures: int = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the pause is over and there is a connection to spare.

        Raises Refused where the host is left alone.
        """
        while not self.left_alone and (self.active >= self.connections or self.next_at > clock()):
            await asyncio.sleep(max(self.next_at - clock(), 0.01))
        if self.left_alone:
            raise Refused("host_left_alone")
        started = clock()
        self.next_at = max(self.next_at, started + self.interval_s)
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
            self._time(clock() - started)

    @property
    def quick(self) -> bool:
        """Whether its answers come soon; of a host that has not answered yet nobody knows."""
        return self.mean_s is not None and self.mean_s <= QUICK_S

    def _time(self, seconds: float) -> None:
        self.mean_s = (
            seconds if self.mean_s is None else (1 - NEWEST) * self.mean_s + NEWEST * seconds
        )

    def pause(self, seconds: float) -> None:
        """Nobody asks this host before so many seconds are over."""
        self.next_at = max(self.next_at, clock() + seconds)

    def slow_down(self, interval_s: float) -> None:
        """Keep a pause of at least so many seconds between requests, all processes together."""
        self.interval_s = max(self.interval_s, interval_s * self.share)

    def count(self, failed: bool, most: int) -> None:
        """One more answer; a host that fails `most` times in a row is left alone."""
        self.failures = self.failures + 1 if failed else 0
        self.left_alone = self.left_alone or self.failures >= most


def turns_of(connections: int, interval_s: float, share: int) -> HostTurns:
    """A host's allowance where `share` processes ask it: together they keep to what one would."""
    return HostTurns(max(1, connections // share), interval_s * share, share)


class Pace:
    """Bytes a second over all hosts: after a large answer nothing new is asked for until the
    average is kept again.
    """

    def __init__(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s = bytes_per_s
        self.free_at = 0.0

    def spend(self, size: int) -> None:
        """So many bytes have come."""
        if self._bytes_per_s:
            self.free_at = max(self.free_at, clock()) + size / self._bytes_per_s
