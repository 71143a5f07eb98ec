"""Run work outside the event loop, in threads behind a bounded queue in which networks take turns.

A network that asks for much waits behind its own requests, not in front of those of others.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TypeVar

from pairsieve.explore.refused import Refused

Result = TypeVar("Result")
Turn = Future[None]
"""It is done when the work may start."""


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
    """By network; the first network has the next turn."""
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
        """Give a turn for each free thread. A network that had its turn goes to the end."""
        while self._waiting and self._running < self.threads:
            network = next(iter(self._waiting))
            turns = self._waiting.pop(network)
            turn = turns.popleft()
            if turns:
                self._waiting[network] = turns
            # A turn whose request gave up is cancelled, and passed over.
            if turn.set_running_or_notify_cancel():
                self._running += 1
                turn.set_result(None)
