"""Find the nearest vectors: exactly among few rows, else by short codes and then exactly.

Every shard has its vectors in a file of its own (float16, memory-mapped: only what queries have
touched is in memory, and the system can take it back).

A large dataset has one more file, with short codes of all vectors in inverted lists (faiss IVF with
RaBitQ: Gao and Long, 2024). K-means puts each vector into the list of its nearest centre; a code
holds little more than the signs of the vector's difference from that centre. A query searches the
lists of its `probes` nearest centres, and compares the best COMPARED rows by their whole vectors.
`probes` is measured when the index is built, so that at least the share `recall` of the ten nearest
rows is found.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairsieve.search.sources import Vectors
from pairsieve.search.words import ID_BITS, row_id

VECTORS = "vectors.faiss"
SAMPLE_VECTORS = 100_000  # from which the centres are computed
VECTORS_PER_CENTRE = 40  # in that sample, at least (faiss warns below 39)
LISTS_PER_ROOT = 4  # lists = 4 * sqrt(rows)
KMEANS_ROUNDS = 10
# A code has at least 512 bits: with fewer the best rows get lost. faiss allows at most 9 bits for
# one number of a vector.
MIN_CODE_BITS, MAX_NUMBER_BITS = 512, 9
# Rows compared by their whole vectors. With codes of 512 bits, comparing all rows finds no more of
# the ten nearest.
COMPARED = 500
MEASURED_QUERIES, NEAREST = 200, 10  # queries, and neighbours of each, that measure recall
HALVINGS = 3  # steps of the search between too few lists and twice as many

Hits = tuple[NDArray[np.int64], NDArray[np.int64], Vectors]
"""Numbers of shards, rows in them, cosines: (n,) each."""


@dataclass(frozen=True)
class VectorSettings:
    """When to search exactly.

    Below `exact_below` rows every vector is compared. From there on, lists are searched that find
    the share `recall` of the ten nearest rows.
    """

    exact_below: int = 100_000
    recall: float = 0.99


def write_vectors(folder: Path, vectors: Vectors) -> None:
    """Write the vectors (n, d) of one shard; they are numbered by their row in the shard."""
    import faiss

    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    if len(vectors):
        index.train(vectors[:1])  # float16 has nothing to learn, but faiss asks for it
        index.add(np.ascontiguousarray(vectors, np.float32))
    faiss.write_index(index, str(folder / VECTORS))


def make_lists(sample: Vectors, rows: int, seed: int = 0) -> Any:
    """Return empty lists for a number of rows; their centres come from a sample (n, d) of them."""
    import faiss

    sample = np.ascontiguousarray(sample, np.float32)
    dimensions = sample.shape[1]
    wanted_lists = int(LISTS_PER_ROOT * rows**0.5)
    number_of_lists = max(1, min(wanted_lists, len(sample) // VECTORS_PER_CENTRE))
    kmeans = faiss.Kmeans(
        dimensions, number_of_lists, niter=KMEANS_ROUNDS, seed=seed, spherical=True
    )
    kmeans.train(sample)
    bits = min(MAX_NUMBER_BITS, -(-MIN_CODE_BITS // dimensions))  # rounded up
    lists = faiss.IndexIVFRaBitQ(
        kmeans.index, dimensions, number_of_lists, faiss.METRIC_INNER_PRODUCT, True, bits
    )
    lists.train(sample)
    return lists


def add_to_lists(lists: Any, shard: int, vectors: Vectors) -> None:
    """Add a shard's vectors (n, d)."""
    if len(vectors):
        ids = np.arange(row_id(shard, 0), row_id(shard, len(vectors)), dtype=np.int64)
        lists.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)


def remove_from_lists(lists: Any, shard: int) -> None:
    """Remove all vectors of a shard."""
    import faiss

    lists.remove_ids(faiss.IDSelectorRange(row_id(shard, 0), row_id(shard + 1, 0)))


@dataclass(frozen=True)
class VectorIndex:
    """The vectors of one model.

    `shards` holds (number of a shard, its folder). With `lists_path` a query searches `probes`
    lists, else all vectors.
    """

    shards: Sequence[tuple[int, Path]]
    lists_path: Path | None = None
    probes: int = 1

    @cached_property
    def _opened(self) -> dict[int, Any]:
        """The index of each shard that is not empty, by the shard's number."""
        import faiss

        opened = {}
        # This flag maps flat codes into memory; IO_FLAG_MMAP does so for inverted lists.
        for number, folder in self.shards:
            index = faiss.read_index(str(folder / VECTORS), faiss.IO_FLAG_MMAP_IFC)
            if index.ntotal:
                opened[number] = index
        return opened

    @cached_property
    def _lists(self) -> Any:
        import faiss

        lists: Any = faiss.read_index(str(self.lists_path), faiss.IO_FLAG_MMAP)
        lists.nprobe = min(self.probes, lists.nlist)
        return lists

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Threads that search one shard each: faiss searches for one vector on one core only."""
        return ThreadPoolExecutor(os.cpu_count() or 1)

    def nearest(self, vector: Vectors, max_rows: int) -> list[tuple[int, int, float]]:
        """Return (shard, row, cosine) of the rows nearest to a unit vector (d,), nearest first."""
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        if self.lists_path:
            hits = self._search_lists(query, max_rows)
        else:
            hits = self._search_shards(query, max_rows)
        if not hits:
            return []
        shards = np.concatenate([of_shard[0] for of_shard in hits])
        rows = np.concatenate([of_shard[1] for of_shard in hits])
        cosines = np.concatenate([of_shard[2] for of_shard in hits])
        # Equal cosines are ordered by shard and row, so that every search has the same order.
        order = np.lexsort((rows, shards, -cosines))[:max_rows]
        return [(int(shards[i]), int(rows[i]), float(cosines[i])) for i in order]

    def _search_shards(self, query: Vectors, max_rows: int) -> list[Hits]:
        search = partial(_search_shard, query, max_rows)
        return list(self._pool.map(search, self._opened.items()))

    def _search_lists(self, query: Vectors, max_rows: int) -> list[Hits]:
        """Return the rows with the best codes, with the cosines of their whole vectors."""
        _, all_ids = self._lists.search(query, max(COMPARED, max_rows))
        found_ids = np.sort(all_ids[0][all_ids[0] >= 0])  # faiss fills up with -1
        # Sorted ids lie together by shard; a change of the upper bits begins a new shard.
        starts = np.flatnonzero(np.diff(found_ids >> ID_BITS, prepend=-1))
        by_shard = [ids for ids in np.split(found_ids, starts) if len(ids)]
        return [self._compare(query, ids) for ids in by_shard]

    def _compare(self, query: Vectors, ids: NDArray[np.int64]) -> Hits:
        """Compute the cosines of rows of one shard."""
        shard = int(ids[0] >> ID_BITS)
        rows = ids & ((1 << ID_BITS) - 1)
        vectors = self._opened[shard].reconstruct_batch(rows)
        cosines = np.einsum("nd,d->n", vectors, query[0])
        return np.full(len(rows), shard), rows, cosines


def _search_shard(query: Vectors, max_rows: int, shard: tuple[int, Any]) -> Hits:
    number, index = shard
    cosines, rows = index.search(query, min(max_rows, index.ntotal))
    return np.full(len(rows[0]), number), rows[0], cosines[0]


def probes_for(
    index: VectorIndex,
    exact: Sequence[set[tuple[int, int]]],
    queries: Vectors,
    recall: float,
    lists: int,
) -> int:
    """Return about the fewest of `lists` lists that find the share `recall` of the nearest rows.

    `exact` holds the true nearest (shard, row) pairs of each query. The number is doubled from 1
    until it is enough, and then halved towards the last one that was not. Returns 0 if even all
    lists are not enough: then every vector has to be compared.
    """
    needed = recall * sum(map(len, exact))
    enough = 1
    while _recalled(index, enough, exact, queries) < needed:
        if enough == lists:
            return 0
        enough = min(2 * enough, lists)
    too_few = enough // 2
    for _ in range(HALVINGS):
        middle = (too_few + enough) // 2
        if middle <= too_few:
            break
        if _recalled(index, middle, exact, queries) < needed:
            too_few = middle
        else:
            enough = middle
    return enough


def _recalled(
    index: VectorIndex, probes: int, exact: Sequence[set[tuple[int, int]]], queries: Vectors
) -> int:
    """Return how many of the true nearest rows are found by searching `probes` lists."""
    tried = VectorIndex(index.shards, index.lists_path, probes)
    recalled = 0
    for query, true_rows in zip(queries, exact, strict=True):
        rows = {(shard, row) for shard, row, _ in tried.nearest(query, NEAREST)}
        recalled += len(rows & true_rows)
    return recalled
