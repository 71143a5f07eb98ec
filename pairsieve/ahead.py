"""Starts work on some items before the results of earlier ones are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Started = TypeVar("Started")
Finished = TypeVar("Finished")


def ahead(
    items: Iterable[Item],
    start: Callable[[Item], Started],
    finish: Callable[[Started], Finished],
    depth: int,
) -> Iterator[Finished]:
    """Results in order, with up to `depth` items under way. The first are started by this call."""
    waiting = iter(items)
    running = deque(start(item) for item in islice(waiting, depth))

    # An inner generator, because a generator function would start nothing before it is iterated.
    def results() -> Iterator[Finished]:
        while running:
            result = finish(running.popleft())
            for item in islice(waiting, 1):
                running.append(start(item))
            yield result

    return results()
