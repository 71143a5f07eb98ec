"""Examines answers on other threads: untrusted bytes must not keep the event loop busy."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pairsieve.web.answer import Answer, Examine, FetchRequest

# For as long one thread goes on before its results are delivered. To hand over each answer by
# itself costs as much as examining a small one.
TURN_S = 0.005
# Another thread begins where a turn takes longer.
SLOW_S = 0.05
MAX_THREADS = 6

DeliverResult = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Examination:
    """An answer that waits to be examined, and the future of its result."""

    examine: Examine
    answer: Answer
    result: asyncio.Future[DeliverResult]


class Examiner:
    """Delivers answers; those with a body are examined first, on another thread.

    One thread examines what comes, and another one where that is slow. What an examination raises
    ends the task group.
    """

    def __init__(self) -> None:
        self._waiting: deque[Examination] = deque()
        self._threads = 0
        # Of them those whose turn takes longer than SLOW_S: they take nothing for now.
        self._slow = 0

    async def deliver(
        self, request: FetchRequest, answer: Answer, group: asyncio.TaskGroup
    ) -> None:
        """Deliver an answer to its request, on the thread of the event loop."""
        if request.examine is None or not answer.body:
            request.deliver(answer)
            return
        result: asyncio.Future[DeliverResult] = asyncio.get_running_loop().create_future()
        self._waiting.append(Examination(request.examine, answer, result))
        self._begin_if_needed(group)
        deliver_result = await result
        deliver_result()

    def _begin_if_needed(self, group: asyncio.TaskGroup) -> None:
        """Use another thread where answers wait, and none takes them."""
        if self._waiting and self._slow == self._threads < MAX_THREADS:
            self._threads += 1
            group.create_task(self._examine_waiting(group))

    async def _examine_waiting(self, group: asyncio.TaskGroup) -> None:
        """Examine on one thread, turn by turn, until nothing waits."""
        loop = asyncio.get_running_loop()
        examined: deque[tuple[Examination, DeliverResult]] = deque()
        while self._waiting:
            turn = loop.run_in_executor(None, _take_turn, self._waiting, examined)
            await asyncio.wait([turn], timeout=SLOW_S)
            _set_results(examined)
            if not turn.done():
                # A picture that is costly must not hold up the others.
                self._slow += 1
                self._begin_if_needed(group)
                await asyncio.wait([turn])
                self._slow -= 1
            await turn  # raises what an examination raised
            _set_results(examined)
        self._threads -= 1


def _set_results(examined: deque[tuple[Examination, DeliverResult]]) -> None:
    """Tell those who wait for what is examined by now; a thread may go on adding to it."""
    while examined:
        examination, deliver_result = examined.popleft()
        # The one who waited may have been cancelled.
        if not examination.result.done():
            examination.result.set_result(deliver_result)


def _take_turn(
    waiting: deque[Examination], examined: deque[tuple[Examination, DeliverResult]]
) -> None:
    """Examine what waits, for TURN_S. Other threads may take from the same queue."""
    ends_at = time.monotonic() + TURN_S
    while waiting and time.monotonic() < ends_at:
        try:
            examination = waiting.popleft()
        except IndexError:
            # Another thread took the last one.
            break
        examined.append((examination, examination.examine(examination.answer)))
