"""Run work outside the event loop, in threads behind a bounded queue in which networks take turns.

The next turn goes to the network that had least of late. So a network that asks for much waits
behind its own requests, and behind those of everybody who asks now and then.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TypeVar

from cachetools import LRUCache

from pairsieve.explore.refused import Refused

Result = TypeVar("Result")
Turn = Future[None]
"""It is done when the work may start."""
MAX_NETWORKS = 10_000  # whose turns are remembered; some 2 MB
HALF_LIFE_S = 10.0  # after which a turn counts half as much
NO_TURNS = -math.inf


@dataclass
class WorkQueue:
    """Runs up to `threads` pieces of work; up to `max_waiting` more wait.

    Of one network at most `max_each` are inside, running or waiting. Nobody can end a thread: work
    that takes too long is answered with an error, but keeps its thread until it has ended. Event
    loops of several threads may share a queue.
    """

    name: str
    threads: int
    max_waiting: int
    max_each: int
    _running: int = 0
    _inside_of: Counter[str] = field(default_factory=Counter)
    """Work that runs or waits, by network."""
    _waiting: dict[str, deque[Turn]] = field(default_factory=dict)
    """By network."""
    _used: LRUCache[str, float] = field(default_factory=lambda: LRUCache(MAX_NETWORKS))
    """By network: its turns, as `with_turn` counts them. It is never written to a file."""
    _lock: Lock = field(default_factory=Lock)

    @property
    def is_busy(self) -> bool:
        """Whether any work is running."""
        return self._running > 0

    async def run(self, work: Callable[[], Result], limit_s: float, network: str = "") -> Result:
        """Return the result of the work.

        Raises what the work raises, and Refused when the queue is full or the work, with its time
        in the queue, takes longer than `limit_s`.
        """
        turn = self._enter(network)
        has_started = False
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.wrap_future(turn)
                future = self._pool.submit(work)
                has_started = True
                # The thread leaves the queue when the work has ended, however long that takes.
                future.add_done_callback(lambda _: self._leave(network, was_running=True))
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Refused(503, "slow", retry_s=10) from None
        finally:
            if not has_started:
                # A turn that cannot be cancelled was given already, and counts as running.
                self._leave(network, was_running=not turn.cancel())

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, self.name)

    def _enter(self, network: str) -> Turn:
        turn = Turn()
        with self._lock:
            is_full = self._inside_of.total() >= self.threads + self.max_waiting
            if is_full or self._inside_of[network] >= self.max_each:
                raise Refused(503, "busy", retry_s=10)
            self._inside_of[network] += 1
            self._waiting.setdefault(network, deque()).append(turn)
            self._give_turns()
        return turn

    def _leave(self, network: str, was_running: bool) -> None:
        with self._lock:
            if was_running:
                self._running -= 1
            self._inside_of[network] -= 1
            if not self._inside_of[network]:
                del self._inside_of[network]
            self._give_turns()

    def _give_turns(self) -> None:
        """Give a turn for each free thread."""
        while self._waiting and self._running < self.threads:
            # Of networks that used as much, such as several newcomers, `min` takes the one that
            # came first.
            network = min(self._waiting, key=lambda waiting: self._used.get(waiting, NO_TURNS))
            turns = self._waiting[network]
            turn = turns.popleft()
            if not turns:
                del self._waiting[network]
            # A turn whose request gave up is cancelled, and passed over.
            if turn.set_running_or_notify_cancel():
                used = self._used.get(network, NO_TURNS)
                self._used[network] = with_turn(used, time.monotonic())
                self._running += 1
                turn.set_result(None)


def with_turn(used: float, now_s: float) -> float:
    """Return how much a network has used of late, with a turn that it has now.

    Old turns should count less. Instead, each turn counts 2 ** (time / HALF_LIFE_S), so that later
    ones count more: compared at any moment, that is the same, and nothing has to be computed anew
    as time passes. The sum would soon be too large for a number; what is kept is its logarithm.
    """
    turn = now_s / HALF_LIFE_S
    larger, smaller = max(used, turn), min(used, turn)
    return larger + math.log2(1 + 2 ** (smaller - larger))
