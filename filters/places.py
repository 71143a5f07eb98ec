"""Places in many texts that are joined, and which of them are near each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from filters.batch import RowMask
from filters.joined_texts import JoinedTexts


@dataclass(frozen=True)
class Places:
    """Characters [start, end) of `texts.joined`, in the order of their starts."""

    texts: JoinedTexts
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The number of the text of each place."""
        return self.texts.rows(self.starts)

    @cached_property
    def mask(self) -> RowMask:
        """The texts that have such a place."""
        return self.texts.marked(self.rows)

    def only(self, chosen: NDArray[np.bool_]) -> Places:
        """Some of the places."""
        return Places(self.texts, self.starts[chosen], self.ends[chosen])

    def followed_by(self, others: Places, least: int, most: int) -> RowMask:
        """The texts with one of the others behind a place, so many characters apart."""
        number = np.searchsorted(others.starts, self.ends + least)
        has_next = number < len(others.starts)
        number = number[has_next]
        is_near = others.starts[number] - self.ends[has_next] <= most
        is_near &= others.rows[number] == self.rows[has_next]
        return self.texts.marked(others.rows[number[is_near]])

    def overlapping(self, others: Places) -> NDArray[np.bool_]:
        """Whether each place has characters of one of the others."""
        begun = np.searchsorted(others.starts, self.ends)
        ended = np.searchsorted(np.sort(others.ends), self.starts, side="right")
        return begun > ended


def in_order(texts: JoinedTexts, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Places:
    """Places in any order."""
    order = np.argsort(starts, kind="stable")
    return Places(texts, starts[order], ends[order])


def both(places: Places, others: Places) -> Places:
    """The places of two kinds in the same texts."""
    return in_order(
        places.texts,
        np.concatenate([places.starts, others.starts]),
        np.concatenate([places.ends, others.ends]),
    )


def no_places(texts: JoinedTexts) -> Places:
    """No places in these texts."""
    nowhere = np.zeros(0, np.int64)
    return Places(texts, nowhere, nowhere)
