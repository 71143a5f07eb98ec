"""How much one network may ask for, counted in a bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil

from cachetools import LRUCache
from limits import RateLimitItem, parse

from pairsieve.explore.networks import network_of, provider_of
from pairsieve.explore.refused import Refused

MOST_NETWORKS = 100_000  # are remembered; some 20 MB
# so many, or a quarter of the limit, may be asked for without a pause
AT_ONCE, SHARE_AT_ONCE = 20, 4
NETWORKS_OF_A_PROVIDER = 8  # a /48 may ask for as much as this many /64


TINY_S = 1e-6  # what sums of steps are off by


@dataclass(frozen=True)
class Limits:
    """For one network: what it may ask for. `others` are files of the page itself and its
    health.
    """

    searches: str = "120/minute"
    pictures: str = "30/minute"
    requests: str = "20/hour"
    others: str = "600/minute"


@dataclass(frozen=True)
class Counts:
    """Counts by the generic cell rate algorithm (ITU-T I.371): one number a network and kind, the
    time when it has used up nothing.

    A part of the limit may be asked for at once (AT_ONCE), the rest evenly over its time. Counts
    are held in memory, and written nowhere.
    """

    limits: Limits
    now_s: Callable[[], float] = time.monotonic
    most_networks: int = MOST_NETWORKS
    _free_at: dict[str, LRUCache[str, float]] = field(default_factory=dict)

    def count(self, address: str, kind: str) -> None:
        """Raises Refused where a network has asked for too much."""
        limit = _parsed(getattr(self.limits, kind))
        wait_s = self._wait_s(f"{kind} {network_of(address)}", limit, 1)
        if provider := provider_of(address):
            wait_s = wait_s or self._wait_s(f"{kind} {provider}", limit, NETWORKS_OF_A_PROVIDER)
        if wait_s:
            raise Refused(429, "too_many", retry_s=ceil(wait_s))

    def _wait_s(self, who: str, limit: RateLimitItem, times: int) -> float:
        """Count one, or how long to wait for it.

        Providers have a table of their own, whose entries networks do not push out.
        """
        known = self._free_at.setdefault(
            "network" if times == 1 else "provider", LRUCache(self.most_networks)
        )
        now, full_s = self.now_s(), float(limit.get_expiry())
        step_s = full_s / (limit.amount * times)
        free_at: float = max(known.get(who, now), now) + step_s
        late_s = free_at - now - step_s * times * _at_once(limit)
        if late_s > TINY_S:
            return late_s
        known[who] = free_at
        return 0.0


def _at_once(limit: RateLimitItem) -> int:
    return min(limit.amount, max(AT_ONCE, limit.amount // SHARE_AT_ONCE))


@lru_cache(64)
def _parsed(limit: str) -> RateLimitItem:
    return parse(limit)


@dataclass
class Held:
    """Bytes of bodies that are held in memory at the same time, in all and of one network."""

    most_bytes: int = 100_000_000
    most_bytes_each: int = 45_000_000  # two pictures
    _bytes: int = 0
    _bytes_of: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def holding(self, address: str) -> Iterator[Callable[[int], None]]:
        """A function that takes so many bytes more, or raises Refused; what was taken is given back
        behind the block.
        """
        network, taken = network_of(address), [0]

        def take(number: int) -> None:
            if (
                self._bytes + number > self.most_bytes
                or self._bytes_of.get(network, 0) + number > self.most_bytes_each
            ):
                raise Refused(503, "busy", retry_s=10)
            self._add(network, number)
            taken[0] += number

        try:
            yield take
        finally:
            self._add(network, -taken[0])

    def _add(self, network: str, number: int) -> None:
        self._bytes += number
        left = self._bytes_of.pop(network, 0) + number
        if left:
            self._bytes_of[network] = left
