"""Calls functions that may fail on an element. The run goes on, and the element is quarantined.

This is the only broad `except` around the data of others.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pairsieve.web.offline import NetworkForbidden, offline

Subject = TypeVar("Subject")
Result = TypeVar("Result")
Item = TypeVar("Item")
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """The class of an exception. Its message is not kept, since it may hold a caption or a URL."""

    error: str

    @property
    def reason(self) -> str:
        return f"error:{self.error}"


def attempt(
    function: Callable[[Subject], Result], subject: Subject, reads_storage: bool = False
) -> Result | Failure:
    """Call a function. Returns its result, or a Failure if it raised.

    The log names the place in the code, never the message of the exception. The function may open
    no connection and start no process (see pairsieve/web/offline.py), unless `reads_storage`.
    """
    try:
        if reads_storage:
            return function(subject)
        return offline(function, subject)
    except Exception as error:  # noqa: BLE001 - the one broad except
        return _failure(error)


def attempt_each(
    function: Callable[[Subject], Result],
    subjects: Sequence[Subject],
    again: Callable[[Subject], Result] | None = None,
) -> list[Result | Failure]:
    """What `attempt` returns for each subject; the guard of connections is set up once for all.

    If one of the subjects tried to open a connection, all are called once more, one by one, to find
    out which. `again` is called then; give it where `function` remembers what it has done.
    """
    results: list[Result | Failure] = []

    def call_each() -> None:
        # The guard is around all of them, so that it need not be set up for each.
        results.extend(attempt(function, subject, reads_storage=True) for subject in subjects)

    try:
        offline(call_each)
    except NetworkForbidden:
        # One of them tried to, and may have hidden it. Each by itself tells which.
        return [attempt(again or function, subject) for subject in subjects]
    return results


def _failure(error: Exception) -> Failure:
    """Log where an error was raised, and forget everything but its class."""
    error_class = type(error).__name__
    place = traceback.extract_tb(error.__traceback__)[-1]
    LOGGER.warning(
        "%s at %s:%s in %s; the row is quarantined",
        error_class,
        place.filename,
        place.lineno,
        place.name,
    )
    return Failure(error_class)


def each(items: Iterator[Item]) -> Iterator[Item | Failure]:
    """Yield the items of an iterator that reads storage. If it raises, a Failure is the last."""
    while True:
        next_items = attempt(_next, items, reads_storage=True)
        if isinstance(next_items, Failure):
            yield next_items
            return
        if not next_items:
            return
        yield next_items[0]


def _next(items: Iterator[Item]) -> tuple[Item, ...]:
    """The next item alone in a tuple; an empty tuple at the end."""
    return tuple(islice(items, 1))
