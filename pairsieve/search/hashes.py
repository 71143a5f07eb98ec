"""Perceptual hashes of every row: those within 31 bits of a picture's, found without looking at all
of them, and none is missed.

Two hashes of 256 bits that differ in 31 have, of their 16 parts of 16 bits, at least one in which
they differ by one bit or none. So each part has its rows in the order of its value, and a query
looks at the rows of 17 values in each (multi-index hashing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pairsieve.images.pdq import ALIKE, BYTES, Hashes, as_hashes

HASHES, ROWS = "pdq.npy", "pdq_rows.npy"
PART_BITS = 16
PARTS, VALUES = BYTES * 8 // PART_BITS, 1 << PART_BITS
assert ALIKE < 2 * PARTS, "else a part might differ in more than one bit"
NEAR = np.array([0, *(1 << bit for bit in range(PART_BITS))], np.uint16)
"""What is added to a value: nothing, or one bit that differs."""


def write_hashes(folder: Path, found: Sequence[tuple[int, str]]) -> None:
    """The (row, hex hash) of a shard's rows that have one."""
    np.save(
        folder / HASHES,
        as_hashes(bytes.fromhex(bits) for _, bits in found)
        if found
        else np.empty((0, BYTES), np.uint8),
    )
    np.save(folder / ROWS, np.array([row for row, _ in found], np.uint32))


@dataclass(frozen=True)
class HashIndex:
    """The shards' hashes: (number of the shard, its folder). A million take 0.1 GB."""

    shards: Sequence[tuple[int, Path]]

    @cached_property
    def _hashes(self) -> Hashes:
        return np.concatenate(
            [
                np.empty((0, BYTES), np.uint8),
                *(np.load(folder / HASHES) for _, folder in self.shards),
            ]
        )

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Of each hash the number of its shard, and its row there."""
        rows = [np.load(folder / ROWS) for _, folder in self.shards]
        numbers = [
            np.full(len(of_shard), number)
            for (number, _), of_shard in zip(self.shards, rows, strict=True)
        ]
        return np.concatenate([np.empty(0, np.int64), *numbers]), np.concatenate(
            [np.empty(0, np.uint32), *rows]
        )

    @cached_property
    def _by_value(self) -> list[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
        """For each part the hashes in the order of its value, and where each value begins."""
        parts = self._hashes.view(np.uint16)
        starts = [
            np.concatenate([[0], np.cumsum(np.bincount(parts[:, at], minlength=VALUES))])
            for at in range(PARTS)
        ]
        return [
            (np.argsort(parts[:, at], kind="stable").astype(np.uint32), starts[at])
            for at in range(PARTS)
        ]

    def alike(self, wanted: Sequence[bytes]) -> list[tuple[int, int, int]]:
        """(shard, row, bits that differ) of those that are the same picture as one of the wanted
        hashes (of one in its orientations).
        """
        if not wanted or not len(self._hashes):
            return []
        queries = as_hashes(wanted)
        candidates, asked = (
            np.concatenate(found)
            for found in zip(*(self._near(at, queries) for at in range(PARTS)), strict=True)
        )
        distances = np.bitwise_count(
            self._hashes.view(np.uint64)[candidates] ^ queries.view(np.uint64)[asked]
        ).sum(axis=1)
        near = distances <= ALIKE
        numbers, rows = self._places
        best: dict[int, int] = {}
        for at, bits in zip(candidates[near].tolist(), distances[near].tolist(), strict=True):
            best[at] = min(bits, best.get(at, bits))
        return [(int(numbers[at]), int(rows[at]), best[at]) for at in sorted(best)]

    def _near(self, at: int, queries: Hashes) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The hashes whose part differs from that of a query by one bit at most, and which query
        that is.
        """
        order, starts = self._by_value[at]
        values = queries.view(np.uint16)[:, at]
        wanted = (values[:, None] ^ NEAR[None, :]).ravel().astype(np.int64)
        first, lengths = starts[wanted], starts[wanted + 1] - starts[wanted]
        ends = np.cumsum(lengths)
        found = order[np.repeat(first - (ends - lengths), lengths) + np.arange(ends[-1])]
        return found, np.repeat(np.arange(len(wanted)) // len(NEAR), lengths)
