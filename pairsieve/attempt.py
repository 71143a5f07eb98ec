"""The one place where anything may go wrong without stopping the run: what cannot be judged is set
aside, by name.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pairsieve.web.offline import offline

Subject = TypeVar("Subject")
Result = TypeVar("Result")
Item = TypeVar("Item")
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """The class of an exception; its message may hold a caption or a URL and is not kept."""

    error: str

    @property
    def reason(self) -> str:
        return f"error:{self.error}"


def attempt(
    function: Callable[[Subject], Result], subject: Subject, reads_storage: bool = False
) -> Result | Failure:
    """The function's result, or the class of what it raised. The log gets the place in the code,
    never the message.

    The function may open no connection and start no process (pairsieve/web/offline.py), but for one
    that `reads_storage`.
    """
    try:
        return function(subject) if reads_storage else offline(function, subject)
    except Exception as error:  # noqa: BLE001 - the one broad except
        last = traceback.extract_tb(error.__traceback__)[-1]
        LOGGER.warning(
            "%s at %s:%s in %s; the row is quarantined",
            type(error).__name__,
            last.filename,
            last.lineno,
            last.name,
        )
        return Failure(type(error).__name__)


def each(items: Iterator[Item]) -> Iterator[Item | Failure]:
    """The items of an iterator that reads storage; where it raises, a Failure is the last."""
    while True:
        found = attempt(_next, items, reads_storage=True)
        if isinstance(found, Failure):
            yield found
            return
        if not found:
            return
        yield found[0]


def _next(items: Iterator[Item]) -> tuple[Item, ...]:
    """The next item, or nothing at the end."""
    return tuple(islice(items, 1))
