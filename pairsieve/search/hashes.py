"""Find the rows whose PDQ hash is within ALIKE (31) bits of a picture's, without comparing all.

No such row is missed. A hash of 256 bits has 16 parts of 16 bits. Two hashes that differ in 31
bits have at least one part in which they differ by one bit or none. So the rows are sorted by the
value of each part, and a query looks at the rows of only 17 values of each part (multi-index
hashing: Norouzi, Punjani and Fleet, 2012).
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairsieve.images.pdq import ALIKE, BYTES, Hashes, as_hashes
from pairsieve.search.words import row_id

# Of a shard: its hashes, and the row of each.
HASHES, ROWS = "pdq.npy", "pdq_rows.npy"
# Of all shards: the hashes (n, 32), the row id of each, for each part the hashes in the order of
# its value (16, n), and where each value begins in that order (16, 65,537).
ALL_HASHES, IDS, ORDERS, STARTS = "hashes.npy", "ids.npy", "orders.npy", "starts.npy"
UNFINISHED = ".unfinished"
PART_BITS = 16
PARTS, VALUES = BYTES * 8 // PART_BITS, 1 << PART_BITS
assert ALIKE < 2 * PARTS, "else a part might differ in more than one bit"
NEAR = np.array([0, *(1 << bit for bit in range(PART_BITS))], np.uint16)
"""XORed with a value these give the 17 values that differ from it in one bit or none."""


@dataclass
class ShardHashes:
    """Collects the hashes of a shard's rows, 36 bytes each."""

    rows: array[int] = field(default_factory=lambda: array("I"))
    bits: bytearray = field(default_factory=bytearray)

    def add(self, row: int, digits: str) -> None:
        """Add a hash (hex) of a row; a row may have several."""
        self.rows.append(row)
        self.bits.extend(bytes.fromhex(digits))

    def write(self, folder: Path) -> None:
        """Write them into the folder of the shard's piece."""
        np.save(folder / HASHES, np.frombuffer(self.bits, np.uint8).reshape(-1, BYTES))
        np.save(folder / ROWS, np.array(self.rows, np.uint32))


def write_tables(folder: Path, shards: Sequence[tuple[int, Path]]) -> None:
    """Write the hashes of all shards, and the order of each part, into a folder of their own.

    `shards` holds (number, folder). A search maps these files, so memory holds only what queries
    have touched. A folder of an earlier build is replaced as a whole, because a running search page
    has its files mapped.
    """
    unfinished = folder.with_name(f"{folder.name}{UNFINISHED}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    hashes = _join_hashes(unfinished, shards)
    orders = _new_array(unfinished / ORDERS, (PARTS, len(hashes)), np.uint32)
    starts = _new_array(unfinished / STARTS, (PARTS, VALUES + 1), np.int64)
    for part in range(PARTS):
        values = np.ascontiguousarray(hashes.view(np.uint16)[:, part])
        orders[part] = np.argsort(values, kind="stable")
        starts[part, 1:] = np.cumsum(np.bincount(values, minlength=VALUES))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _join_hashes(folder: Path, shards: Sequence[tuple[int, Path]]) -> Hashes:
    """Write the hashes of all shards one after the other, with their row ids."""
    sizes = [len(_mapped(of_shard / ROWS)) for _, of_shard in shards]
    hashes = _new_array(folder / ALL_HASHES, (sum(sizes), BYTES), np.uint8)
    ids = _new_array(folder / IDS, (sum(sizes),), np.int64)
    first = 0
    for (number, of_shard), size in zip(shards, sizes, strict=True):
        hashes[first : first + size] = _mapped(of_shard / HASHES)
        ids[first : first + size] = row_id(number, 0) + _mapped(of_shard / ROWS).astype(np.int64)
        first += size
    return hashes


def _new_array(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
    """Make the file of an array, and return the array mapped to it."""
    return np.lib.format.open_memmap(path, "w+", kind, shape)


def _mapped(path: Path) -> NDArray[Any]:
    """Return the array of a file, mapped into memory."""
    # Without its class: each slice of a memmap would make another one.
    return np.asarray(np.load(path, mmap_mode="r"))


@dataclass(frozen=True)
class HashIndex:
    """The hashes of all shards, in the folder that `write_tables` filled."""

    folder: Path

    @cached_property
    def _hashes(self) -> Hashes:
        """All hashes, (n, 32)."""
        return _mapped(self.folder / ALL_HASHES)

    @cached_property
    def _ids(self) -> NDArray[np.int64]:
        """The row id of each hash, (n,)."""
        return _mapped(self.folder / IDS)

    @cached_property
    def _orders(self) -> NDArray[np.uint32]:
        """For each part the hashes in the order of its value, (16, n)."""
        return _mapped(self.folder / ORDERS)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """For each part where each value begins in that order, (16, 65,537)."""
        return _mapped(self.folder / STARTS)

    def alike(self, hashes: Sequence[bytes]) -> list[tuple[int, int]]:
        """Return (row id, bits that differ) of the rows that show the same picture.

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
        ids = self._ids[candidates[is_alike]].tolist()
        best: dict[int, int] = {}  # row id -> bits that differ
        for identity, bits in zip(ids, distances[is_alike].tolist(), strict=True):
            best[identity] = min(bits, best.get(identity, bits))
        return sorted(best.items())

    def _candidates(
        self, part: int, queries: Hashes
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the hashes whose part differs from a query's by one bit or none.

        The second array holds for each of them the number of that query.
        """
        starts = self._starts[part]
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
        return self._orders[part][indices], np.repeat(query_numbers, lengths)
