"""Limits requests to one host (connections, pauses, failures) and bytes over all hosts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pairsieve.web.refusals import Refused

QUICK_S = 0.5  # a host whose mean answer takes no longer is quick
NEWEST_WEIGHT = 0.3  # of the newest answer in a host's mean time


def clock() -> float:
    """Return the time of the running event loop in seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class HostRateLimiter:
    """The limits of one host in one process, and how the host fares.

    `share` is the number of processes among which the host's allowance is divided. A host that is
    `left_alone` is not asked again.
    """

    connections: int
    interval_s: float
    share: int = 1
    next_at: float = 0.0
    left_alone: bool = False
    mean_s: float | None = None
    active: int = 0
    failures: int = 0

    def slot(self) -> Slot:
        """Return a context in which a connection of this host is held."""
        return Slot(self)

    def must_wait(self) -> bool:
        """Tell whether the host may not be asked now."""
        return self.active >= self.connections or self.next_at > clock()

    @property
    def is_quick(self) -> bool:
        """Whether the host is known to answer quickly; a host without an answer yet is not."""
        return self.mean_s is not None and self.mean_s <= QUICK_S

    def add_time(self, seconds: float) -> None:
        """Count the seconds that an answer took."""
        if self.mean_s is None:
            self.mean_s = seconds
        else:
            self.mean_s = (1 - NEWEST_WEIGHT) * self.mean_s + NEWEST_WEIGHT * seconds

    def pause(self, seconds: float) -> None:
        """Ask this host nothing for so many seconds."""
        self.next_at = max(self.next_at, clock() + seconds)

    def slow_down(self, interval_s: float) -> None:
        """Keep at least this interval between the requests of all processes together."""
        self.interval_s = max(self.interval_s, interval_s * self.share)

    def record_answer(self, *, failed: bool, max_failures: int) -> None:
        """Count an answer; a host that fails `max_failures` times in a row is left alone."""
        self.failures = self.failures + 1 if failed else 0
        if self.failures >= max_failures:
            self.left_alone = True


@dataclass(slots=True)
class Slot:
    """A connection of a host, and when it began to be held."""

    limiter: HostRateLimiter
    started: float = 0.0

    async def __aenter__(self) -> None:
        """Wait until the pause is over and a connection is free, then hold the connection.

        Raises Refused when the host is left alone.
        """
        limiter = self.limiter
        while not limiter.left_alone and limiter.must_wait():
            await asyncio.sleep(max(limiter.next_at - clock(), 0.01))
        if limiter.left_alone:
            raise Refused("host_left_alone")
        self.started = clock()
        limiter.next_at = max(limiter.next_at, self.started + limiter.interval_s)
        limiter.active += 1

    async def __aexit__(self, *_error: object) -> None:
        self.limiter.active -= 1
        self.limiter.add_time(clock() - self.started)


def shared_limiter(connections: int, interval_s: float, share: int) -> HostRateLimiter:
    """Make the limiter of one of `share` processes; together they ask as often as one would."""
    return HostRateLimiter(max(1, connections // share), interval_s * share, share)


class Bandwidth:
    """A limit of bytes a second over all hosts.

    After a large answer nothing new is requested until the average is within the limit again.
    """

    def __init__(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s = bytes_per_s
        self.free_at = 0.0

    def spend(self, size_bytes: int) -> None:
        """Count bytes that have been received."""
        if self._bytes_per_s:
            self.free_at = max(self.free_at, clock()) + size_bytes / self._bytes_per_s
