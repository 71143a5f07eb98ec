"""Limit how much one network may ask for, in a bounded memory."""

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

MAX_NETWORKS = 100_000  # that are remembered; some 20 MB
# So many requests, or a quarter of the limit, may come without a pause.
AT_ONCE, SHARE_AT_ONCE = 20, 4
NETWORKS_OF_A_PROVIDER = 8  # a /48 may ask for as much as this many /64
TINY_S = 1e-6  # rounding error of summed steps


@dataclass(frozen=True)
class RateLimits:
    """The limits of one network. `others` are the page's own files and its health check."""

    searches: str = "120/minute"
    pictures: str = "30/minute"
    requests: str = "20/hour"
    others: str = "600/minute"
    previews: str = "240/minute"


@dataclass(frozen=True)
class RateLimiter:
    """Counts requests by the generic cell rate algorithm (ITU-T I.371).

    It stores one number for each network and kind of request: the time at which the network will
    have used up nothing. Each request moves that time ahead by one step. A part of the limit may be
    used at once (AT_ONCE), the rest evenly over time. The numbers are in memory only, and never
    written to a file.
    """

    limits: RateLimits
    now_s: Callable[[], float] = time.monotonic
    max_networks: int = MAX_NETWORKS
    _free_at_s: dict[str, LRUCache[str, float]] = field(default_factory=dict)

    def count(self, address: str, kind: str) -> None:
        """Count a request. Raises Refused when its network has asked for too much."""
        limit = _parse_limit(getattr(self.limits, kind))
        wait_s = self._count_in("network", f"{kind} {network_of(address)}", limit, 1)
        provider = provider_of(address)
        if provider and not wait_s:
            wait_s = self._count_in("provider", f"{kind} {provider}", limit, NETWORKS_OF_A_PROVIDER)
        if wait_s:
            raise Refused(429, "too_many", retry_s=ceil(wait_s))

    def _count_in(self, table: str, name: str, limit: RateLimitItem, times: int) -> float:
        """Count one request against `times` the limit; return 0, or how long to wait for it.

        Networks and providers have a table each, so that many networks do not push providers out.
        """
        free_at_s = self._free_at_s.setdefault(table, LRUCache(self.max_networks))
        now_s = self.now_s()
        step_s = float(limit.get_expiry()) / (limit.amount * times)
        new_free_at_s: float = max(free_at_s.get(name, now_s), now_s) + step_s
        burst_s = step_s * times * _at_once(limit)
        late_s = new_free_at_s - now_s - burst_s
        if late_s > TINY_S:
            return late_s
        free_at_s[name] = new_free_at_s
        return 0.0


def _at_once(limit: RateLimitItem) -> int:
    return min(limit.amount, max(AT_ONCE, limit.amount // SHARE_AT_ONCE))


@lru_cache(64)
def _parse_limit(limit: str) -> RateLimitItem:
    return parse(limit)


@dataclass
class BodyMemory:
    """Bounds the bytes of request bodies in memory, of all networks and of each."""

    max_bytes: int = 100_000_000
    max_bytes_each: int = 45_000_000  # two pictures
    _bytes: int = 0
    _bytes_of: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def reserving(self, address: str) -> Iterator[Callable[[int], None]]:
        """Give the block a function that reserves so many more bytes, or raises Refused.

        What was reserved is free again after the block.
        """
        network = network_of(address)
        reserved_bytes = 0

        def reserve(number: int) -> None:
            nonlocal reserved_bytes
            of_network = self._bytes_of.get(network, 0)
            is_full = self._bytes + number > self.max_bytes
            if is_full or of_network + number > self.max_bytes_each:
                raise Refused(503, "busy", retry_s=10)
            self._add(network, number)
            reserved_bytes += number

        try:
            yield reserve
        finally:
            self._add(network, -reserved_bytes)

    def _add(self, network: str, number: int) -> None:
        self._bytes += number
        of_network = self._bytes_of.pop(network, 0) + number
        if of_network:  # networks without bodies are forgotten
            self._bytes_of[network] = of_network
