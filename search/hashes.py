"""Perceptual hashes of every row, all looked at: the hashes of a million rows are 32 MB, and eight orientations take some 10 ms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from images.pdq import ALIKE, BYTES, as_hashes

HASHES, ROWS = "pdq.faiss", "pdq_rows.npy"


def write_hashes(folder: Path, found: Sequence[tuple[int, str]]) -> None:
    """The (row, hex hash) of a shard's rows that have one."""
    index = faiss.IndexBinaryFlat(BYTES * 8)
    if found:
        index.add(as_hashes(bytes.fromhex(bits) for _, bits in found))
    faiss.write_index_binary(index, str(folder / HASHES))
    np.save(folder / ROWS, np.array([row for row, _ in found], np.uint32))


@dataclass(frozen=True)
class HashIndex:
    """The shards' hashes: (number of the shard, its folder)."""

    shards: Sequence[tuple[int, Path]]

    @cached_property
    def _opened(self) -> list[tuple[int, Any, Any]]:
        read = faiss.read_index_binary
        return [(number, read(str(folder / HASHES)), np.load(folder / ROWS)) for number, folder in self.shards]

    def alike(self, wanted: Sequence[bytes]) -> Iterator[tuple[int, int, int]]:
        """(shard, row, bits that differ) of those that are the same picture as one of the wanted hashes (of one in its orientations)."""
        if not wanted:
            return
        queries = as_hashes(wanted)
        for number, index, rows in self._opened:
            if index.ntotal:
                _, bits, found = index.range_search(queries, ALIKE + 1)
                best: dict[int, int] = {}
                for at, differ in zip(found, bits, strict=True):
                    best[int(at)] = min(int(differ), best.get(int(at), ALIKE))
                yield from ((number, int(rows[at]), differ) for at, differ in sorted(best.items()))
