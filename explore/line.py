"""Work outside the event loop, in threads of its own and behind a line of a bounded length."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Lock
from typing import TypeVar

from explore.refused import Refused

Result = TypeVar("Result")


@dataclass
class Line:
    """Up to `threads` at work and `most_waiting` behind them; of one network at most `most_each`.

    Nobody can end a thread: whoever takes too long is no longer waited for, and keeps the place until the work has ended.
    """

    name: str
    threads: int
    most_waiting: int
    most_each: int
    _inside: int = 0
    _inside_of: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    @property
    def works(self) -> bool:
        """Whether anything is under way."""
        return self._inside > 0

    async def run(self, work: Callable[[], Result], limit_s: float, network: str = "") -> Result:
        """The result of the work. Raises Refused where the line is full or the work takes too long, and what the work raises."""
        self._enter(network)
        future = self._pool.submit(work)
        future.add_done_callback(partial(self._leave, network))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), limit_s)
        except TimeoutError:
            raise Refused(503, "slow", retry_s=10) from None

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, self.name)

    def _enter(self, network: str) -> None:
        with self._lock:
            if self._inside >= self.threads + self.most_waiting or self._inside_of[network] >= self.most_each:
                raise Refused(503, "busy", retry_s=10)
            self._inside += 1
            self._inside_of[network] += 1

    def _leave(self, network: str, _: Future[Result]) -> None:
        with self._lock:
            self._inside -= 1
            self._inside_of[network] -= 1
            self._inside_of += Counter()  # without those that are gone
