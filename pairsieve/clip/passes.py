"""Forward passes side by side, and what they took.

Several passes have one thread of the processor each. Threads that share one pass wait for the
slowest of them in every layer, and other work on the machine, such as decoding, makes one of them
slow. And the last digits of a vector do not depend on how many passes run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

import torch

from pairsieve.ahead import ahead

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Meter:
    """What a model did: the seconds of all passes together, and the number of rows of each."""

    busy_s: float = 0.0
    batches: list[int] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, seconds: float, rows: int) -> None:
        """Count one pass. Passes on several threads may do so at once."""
        with self._lock:
            self.busy_s += seconds
            self.batches.append(rows)

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.busy_s = 0.0
            self.batches.clear()


def open_passes(number: int) -> ThreadPoolExecutor:
    """Return what runs `number` passes at once.

    One pass alone has as many threads as torch is told to use.
    """
    if number == 1:
        return ThreadPoolExecutor(1, "forward-pass")
    # torch keeps a number of threads for each thread that calls it.
    return ThreadPoolExecutor(number, "forward-pass", torch.set_num_threads, (1,))


def in_order(
    executor: ThreadPoolExecutor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    number: int,
) -> Iterator[Result]:
    """Return the result of each item, in order, with `number` items under way and one that waits.

    If all waited at once, a process that is interrupted, or whose first batch fails, would still
    compute all of them before it ends.
    """

    def start(item: Item) -> Future[Result]:
        return executor.submit(function, item)

    return ahead(items, start, Future.result, number + 1)
