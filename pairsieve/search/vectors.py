"""Nearest vectors: exact where there are few rows, else looked for among short codes and then
compared exactly.

Every shard has its vectors in a file (float16, memory-mapped: what is resident is what queries have
touched, and it can be given back). Where there are many, one more file holds all shards' codes in
inverted lists (faiss IVF with RaBitQ: Gao and Long, 2024): k-means puts each vector into the list
of its nearest centre, and of a vector's difference from that centre little more than signs are
kept. A query looks into the lists of the `probes` centres next to it, and its best COMPARED rows
are compared by their vectors. How many lists that are is measured when the index is built, so that
of the ten nearest at least the share `recall` is found.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from pairsieve.search.sources import Vectors
from pairsieve.search.words import ID_BITS, row_id

VECTORS = "vectors.faiss"
# to find centres from; vectors for each at least (faiss warns below 39)
SAMPLE_VECTORS, A_CENTRE = 100_000, 40
# of a vector's code at least, and of one of its numbers at most (faiss): with fewer the best get
# lost
CODE_BITS, MOST_BITS = 512, 9
# rows compared by their vectors: with 512 bits no fewer of the ten nearest are among them than
# among all
COMPARED = 500
PROBED, NEAREST = 200, 10  # queries and neighbours by which recall is measured
HALVED = 3  # times, between a number of lists that is too small and its double

Hits = tuple[NDArray[np.int64], NDArray[np.int64], Vectors]
"""Shards, rows, cosines: (n,) each."""


@dataclass(frozen=True)
class VectorSettings:
    """Below `exact_below` rows every vector is looked at; from there on `recall` of the ten nearest
    is wanted.
    """

    exact_below: int = 100_000
    recall: float = 0.99


def write_vectors(folder: Path, vectors: Vectors) -> None:
    """One shard's vectors (n, d); numbers are places in the shard."""
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    if len(vectors):
        index.train(vectors[:1])
        index.add(np.ascontiguousarray(vectors, np.float32))
    faiss.write_index(index, str(folder / VECTORS))


def make_lists(sample: Vectors, rows: int, seed: int = 0) -> Any:
    """Empty lists for so many rows, their centres from a sample of them."""
    sample, size = np.ascontiguousarray(sample, np.float32), sample.shape[1]
    number = max(1, min(int(4 * rows**0.5), len(sample) // A_CENTRE))
    kmeans = faiss.Kmeans(size, number, niter=10, seed=seed, spherical=True)
    kmeans.train(sample)
    bits = min(MOST_BITS, -(-CODE_BITS // size))
    lists = faiss.IndexIVFRaBitQ(kmeans.index, size, number, faiss.METRIC_INNER_PRODUCT, True, bits)
    lists.train(sample)
    return lists


def add_to_lists(lists: Any, shard: int, vectors: Vectors) -> None:
    """Put a shard's vectors into their lists."""
    if len(vectors):
        ids = np.arange(row_id(shard, 0), row_id(shard, len(vectors)), dtype=np.int64)
        lists.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)


def remove_from_lists(lists: Any, shard: int) -> None:
    """Take all vectors of a shard out."""
    lists.remove_ids(faiss.IDSelectorRange(row_id(shard, 0), row_id(shard + 1, 0)))


@dataclass(frozen=True)
class VectorIndex:
    """The shards of one model's vectors: (number of the shard, its folder); with `lists_path`
    `probes` lists are looked into.
    """

    shards: Sequence[tuple[int, Path]]
    lists_path: Path | None = None
    probes: int = 1

    @cached_property
    def _opened(self) -> dict[int, Any]:
        opened = {
            number: faiss.read_index(str(folder / VECTORS), faiss.IO_FLAG_MMAP_IFC)
            for number, folder in self.shards
        }
        return {number: index for number, index in opened.items() if index.ntotal}

    @cached_property
    def _lists(self) -> Any:
        lists: Any = faiss.read_index(str(self.lists_path), faiss.IO_FLAG_MMAP)
        lists.nprobe = min(self.probes, lists.nlist)
        return lists

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Faiss looks for one vector on one core; shards are looked through on all."""
        return ThreadPoolExecutor(os.cpu_count() or 1)

    def nearest(self, vector: Vectors, most: int) -> list[tuple[int, int, float]]:
        """(shard, row, cosine) of the nearest to a unit vector, the nearest first."""
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        found = self._in_lists(query, most) if self.lists_path else self._in_shards(query, most)
        if not found:
            return []
        shards, rows, cosines = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.lexsort((rows, shards, -cosines))[:most]
        return [(int(shards[i]), int(rows[i]), float(cosines[i])) for i in order]

    def _in_shards(self, query: Vectors, most: int) -> list[Hits]:
        return list(self._pool.map(partial(_in_shard, query, most), self._opened.items()))

    def _in_lists(self, query: Vectors, most: int) -> list[Hits]:
        """The best by their codes, with their cosines."""
        _, ids = self._lists.search(query, max(COMPARED, most))
        found = np.sort(ids[0][ids[0] >= 0])
        starts = np.flatnonzero(np.diff(found >> ID_BITS, prepend=-1))
        return [self._compared(query, part) for part in np.split(found, starts) if len(part)]

    def _compared(self, query: Vectors, ids: NDArray[np.int64]) -> Hits:
        shard, rows = int(ids[0] >> ID_BITS), ids & ((1 << ID_BITS) - 1)
        vectors = self._opened[shard].reconstruct_batch(rows)
        return np.full(len(rows), shard), rows, np.einsum("nd,d->n", vectors, query[0])


def _in_shard(query: Vectors, most: int, shard: tuple[int, Any]) -> Hits:
    number, index = shard
    cosines, rows = index.search(query, min(most, index.ntotal))
    return np.full(len(rows[0]), number), rows[0], cosines[0]


def probes_for(index: VectorIndex, exact: Any, queries: Vectors, recall: float, lists: int) -> int:
    """About the fewest lists with which `recall` of the ten nearest are found: doubled from one on,
    then halved in between.

    `exact`: the true ones, (n, 10) pairs. 0 where all lists are not enough: then every vector has
    to be looked at.
    """

    def is_enough(probes: int) -> bool:
        tried = VectorIndex(index.shards, index.lists_path, probes)
        found = [
            {(shard, row) for shard, row, _ in tried.nearest(query, NEAREST)} for query in queries
        ]
        return sum(len(f & t) for f, t in zip(found, exact, strict=True)) >= recall * sum(
            map(len, exact)
        )

    enough = 1
    while not is_enough(enough):
        if enough == lists:
            return 0
        enough = min(2 * enough, lists)
    too_few = enough // 2
    for _ in range(HALVED):
        between = (too_few + enough) // 2
        if between <= too_few:
            break
        too_few, enough = (too_few, between) if is_enough(between) else (between, enough)
    return enough
