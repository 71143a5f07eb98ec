"""Find the rows whose PDQ hash is within ALIKE (31) bits of a picture's, without comparing all.

No such row is missed. A hash of 256 bits has 16 parts of 16 bits. Two hashes that differ in 31
bits have at least one part in which they differ by one bit or none. So the rows are sorted by the
value of each part, and a query looks at the rows of only 17 values of each part (multi-index
hashing: Norouzi, Punjani and Fleet, 2012).
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
"""XORed with a value these give the 17 values that differ from it in one bit or none."""


def write_hashes(folder: Path, hashes: Sequence[tuple[int, str]]) -> None:
    """Write (row, hex hash) for the rows of a shard that have a hash, or two."""
    bits = as_hashes(bytes.fromhex(digits) for _, digits in hashes)
    rows = np.array([row for row, _ in hashes], np.uint32)
    np.save(folder / HASHES, bits)
    np.save(folder / ROWS, rows)


@dataclass(frozen=True)
class HashIndex:
    """The hashes of all shards; `shards` holds (number, folder). A million take 0.1 GB."""

    shards: Sequence[tuple[int, Path]]

    @cached_property
    def _hashes(self) -> Hashes:
        """All hashes, (n, 32)."""
        of_shards = [np.load(folder / HASHES) for _, folder in self.shards]
        return np.concatenate([np.empty((0, BYTES), np.uint8), *of_shards])

    @cached_property
    def _positions(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """For each hash the number of its shard, and its row in the shard."""
        numbers = [np.empty(0, np.int64)]
        rows = [np.empty(0, np.uint32)]
        for number, folder in self.shards:
            shard_rows = np.load(folder / ROWS)
            numbers.append(np.full(len(shard_rows), number))
            rows.append(shard_rows)
        return np.concatenate(numbers), np.concatenate(rows)

    @cached_property
    def _by_value(self) -> list[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
        """For each part the hashes in the order of its value, and where each value begins."""
        all_parts = self._hashes.view(np.uint16)
        tables = []
        for part in range(PARTS):
            values = all_parts[:, part]
            order = np.argsort(values, kind="stable").astype(np.uint32)
            counts = np.bincount(values, minlength=VALUES)
            starts = np.concatenate([[0], np.cumsum(counts)])
            tables.append((order, starts))
        return tables

    def alike(self, hashes: Sequence[bytes]) -> list[tuple[int, int, int]]:
        """Return (shard, row, bits that differ) of the rows that show the same picture.

        `hashes` are those of one picture in its orientations; the nearest of them counts.
        """
        if not hashes or not len(self._hashes):
            return []
        queries = as_hashes(hashes)
        pairs = [self._candidates(part, queries) for part in range(PARTS)]
        candidates = np.concatenate([positions for positions, _ in pairs])
        query_of = np.concatenate([query_numbers for _, query_numbers in pairs])
        # 64 bits at a time.
        differing = self._hashes.view(np.uint64)[candidates] ^ queries.view(np.uint64)[query_of]
        distances = np.bitwise_count(differing).sum(axis=1)
        is_alike = distances <= ALIKE
        shards, rows = self._positions
        best: dict[tuple[int, int], int] = {}  # (shard, row) -> bits that differ
        alike = zip(candidates[is_alike].tolist(), distances[is_alike].tolist(), strict=True)
        for position, bits in alike:
            place = int(shards[position]), int(rows[position])
            best[place] = min(bits, best.get(place, bits))
        return [(shard, row, bits) for (shard, row), bits in sorted(best.items())]

    def _candidates(
        self, part: int, queries: Hashes
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the hashes whose part differs from a query's by one bit or none.

        The second array holds for each of them the number of that query.
        """
        order, starts = self._by_value[part]
        query_values = queries.view(np.uint16)[:, part]
        values = (query_values[:, None] ^ NEAR[None, :]).ravel().astype(np.int64)
        first = starts[values]
        lengths = starts[values + 1] - first
        # All positions of the ranges first[i] .. first[i] + lengths[i], one after the other: each
        # position counts on from where its range begins in the output.
        ends = np.cumsum(lengths)
        begins = ends - lengths
        indices = np.arange(ends[-1]) + np.repeat(first - begins, lengths)
        query_numbers = np.arange(len(values)) // len(NEAR)
        return order[indices], np.repeat(query_numbers, lengths)
