"""Work outside the event loop, in threads of its own and behind a line of a bounded length, in
which networks take turns.
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


@dataclass
class Line:
    """Up to `threads` at work and `most_waiting` behind them; of one network at most `most_each`.

    Networks take turns: one that asks for much waits for itself. Nobody can end a thread: whoever
    takes too long is no longer waited for, and keeps the thread until the work has ended. Event
    loops of several threads may share a line.
    """

    name: str
    threads: int
    most_waiting: int
    most_each: int
    _working: int = 0
    _inside_of: Counter[str] = field(default_factory=Counter)
    _waiting: dict[str, deque[Turn]] = field(default_factory=dict)
    """By network; the first is the next."""
    _lock: Lock = field(default_factory=Lock)

    @property
    def works(self) -> bool:
        """Whether anything is under way."""
        return self._working > 0

    async def run(self, work: Callable[[], Result], limit_s: float, network: str = "") -> Result:
        """The result of the work.

        Raises Refused where the line is full or the work takes too long, and what the work raises.
        """
        turn, begun = self._enter(network), False
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.wrap_future(turn)
                future = self._pool.submit(work)
                begun = True
                future.add_done_callback(lambda _: self._leave(network, worked=True))
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Refused(503, "slow", retry_s=10) from None
        finally:
            if not begun:
                self._leave(network, worked=not turn.cancel())

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, self.name)

    def _enter(self, network: str) -> Turn:
        turn = Turn()
        with self._lock:
            if (
                self._inside_of.total() >= self.threads + self.most_waiting
                or self._inside_of[network] >= self.most_each
            ):
                raise Refused(503, "busy", retry_s=10)
            self._inside_of[network] += 1
            self._waiting.setdefault(network, deque()).append(turn)
            self._give_turns()
        return turn

    def _leave(self, network: str, worked: bool) -> None:
        with self._lock:
            self._working -= worked
            self._inside_of[network] -= 1
            if not self._inside_of[network]:
                del self._inside_of[network]
            self._give_turns()

    def _give_turns(self) -> None:
        """As many as there are threads; a network that has had its turn goes to the end."""
        while self._waiting and self._working < self.threads:
            network = next(iter(self._waiting))
            turns = self._waiting.pop(network)
            turn = turns.popleft()
            if turns:
                self._waiting[network] = turns
            if turn.set_running_or_notify_cancel():
                self._working += 1
                turn.set_result(None)
