"""Places of a text, and which of them are near each other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

NEAR_CHARS = 30  # between a part of the body and what belongs to it: some five words


class Place(Protocol):
    """Characters [start, end) of a text."""

    @property
    def start(self) -> int:
        """The first character."""
        ...

    @property
    def end(self) -> int:
        """The character behind the last one."""
        ...


AnyPlace = TypeVar("AnyPlace", bound=Place)


class NearPlaces(Generic[AnyPlace]):
    """Places that are asked for those near another one.

    They are sorted, so that a question does not look at all of them: a hostile caption holds
    thousands.
    """

    def __init__(self, places: Iterable[AnyPlace]) -> None:
        self._by_start = sorted(places, key=lambda place: place.start)
        self._by_end = sorted(self._by_start, key=lambda place: place.end)
        self._starts = [place.start for place in self._by_start]
        self._ends = [place.end for place in self._by_end]

    def near(self, place: Place) -> list[AnyPlace]:
        """Those with 1 to NEAR_CHARS characters between them and a place, in their order."""
        ends_from = bisect_left(self._ends, place.start - NEAR_CHARS)
        before = self._by_end[ends_from : bisect_left(self._ends, place.start)]
        starts_to = bisect_right(self._starts, place.end + NEAR_CHARS)
        behind = self._by_start[bisect_right(self._starts, place.end) : starts_to]
        return [*sorted(before, key=lambda other: other.start), *behind]
