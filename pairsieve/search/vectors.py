"""Find the nearest vectors: exactly among few rows, else by short codes and then exactly.

Every shard has its vectors in files of its own (float16, memory-mapped: only what queries have
touched is in memory, and the system can take it back). A file holds one block of them, so that a
worker need not hold a whole shard.

A large dataset has one more file, with short codes of all vectors in inverted lists (faiss IVF with
RaBitQ: Gao and Long, 2024). K-means puts each vector into the list of its nearest centre; a code
holds little more than the signs of the vector's difference from that centre. A query searches the
lists of its nearest centres, and compares the rows with the best codes by their whole vectors. How
many of both is measured when the index is built, so that a wanted share of the ten nearest rows is
found. It is measured for pictures and for texts apart: a text lies far from all pictures, so its
nearest rows stand in more lists, and their codes tell less.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairsieve.search.sources import Vectors
from pairsieve.search.words import ID_BITS, ROW_MASK, row_id

VECTORS = "vectors-"  # and the number of the first row
SAMPLE_VECTORS = 100_000  # from which the centres are computed
VECTORS_PER_CENTRE = 40  # in that sample, at least (faiss warns below 39)
LISTS_PER_ROOT = 4  # lists = 4 * sqrt(rows)
KMEANS_ROUNDS = 10
# A code has at least 512 bits: with fewer the best rows get lost. faiss allows at most 9 bits for
# one number of a vector.
MIN_CODE_BITS, MAX_NUMBER_BITS = 512, 9
# Rows compared by their whole vectors. With codes of 512 bits, comparing all rows finds no more of
# the ten nearest to a picture.
COMPARED = 500

Hits = tuple[NDArray[np.int64], Vectors]
"""Row ids and cosines: (n,) each."""


@dataclass(frozen=True)
class VectorSettings:
    """When to search exactly.

    Below `exact_below` rows every vector is compared. From there on, lists are searched that find
    the share `recall` of the ten nearest rows to a picture, and `recall_of_texts` to a text. Of
    texts 0.95 is wanted; the rest is for those that lie otherwise than `like_texts` supposes.
    """

    exact_below: int = 100_000
    recall: float = 0.99
    recall_of_texts: float = 0.97


@dataclass(frozen=True)
class Effort:
    """How much a query reads: `probes` lists, and the `compared` rows with the best codes.

    Without probes it compares all vectors.
    """

    probes: int = 0
    compared: int = COMPARED


EVERY_VECTOR = Effort()


@dataclass(frozen=True)
class Efforts:
    """What a query by a picture and one by a text read."""

    pictures: Effort = EVERY_VECTOR
    texts: Effort = EVERY_VECTOR


def write_vectors(folder: Path, blocks: Iterable[Vectors]) -> None:
    """Write the vectors of one shard, given in blocks (n, d), to a file a block.

    They are numbered by their row in the shard.
    """
    import faiss

    first = 0
    for block in blocks:
        if not len(block):
            continue
        index = faiss.IndexScalarQuantizer(
            block.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.train(block[:1])  # float16 has nothing to learn, but faiss asks for it
        index.add(np.ascontiguousarray(block, np.float32))
        faiss.write_index(index, str(folder / f"{VECTORS}{first:010d}.faiss"))
        first += len(block)


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


def add_to_lists(lists: Any, shard: int, blocks: Iterable[Vectors]) -> None:
    """Add a shard's vectors, given in blocks (n, d)."""
    first = 0
    for block in blocks:
        ids = np.arange(row_id(shard, first), row_id(shard, first) + len(block), dtype=np.int64)
        lists.add_with_ids(np.ascontiguousarray(block, np.float32), ids)
        first += len(block)


def remove_from_lists(lists: Any, shard: int) -> None:
    """Remove all vectors of a shard."""
    import faiss

    lists.remove_ids(faiss.IDSelectorRange(row_id(shard, 0), row_id(shard + 1, 0)))


@dataclass(frozen=True)
class Block:
    """Vectors of consecutive rows of a shard, the first of which has the id `first_id`."""

    first_id: int
    index: Any


@dataclass(frozen=True)
class VectorIndex:
    """The vectors of one model.

    `shards` holds (number of a shard, its folder). `lists_path` is the file of the lists, where
    there are any.
    """

    shards: Sequence[tuple[int, Path]]
    lists_path: Path | None = None

    @cached_property
    def _opened(self) -> list[Block]:
        """The vectors of all shards, in the order of their row ids."""
        import faiss

        opened = []
        for number, folder in sorted(self.shards):
            for path in sorted(folder.glob(f"{VECTORS}*.faiss")):
                first_row = int(path.stem.removeprefix(VECTORS))
                # This flag maps flat codes into memory; IO_FLAG_MMAP does so for inverted lists.
                index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
                opened.append(Block(row_id(number, first_row), index))
        return opened

    @cached_property
    def _first_ids(self) -> NDArray[np.int64]:
        """The id of the first row of each block."""
        return np.array([block.first_id for block in self._opened], np.int64)

    @cached_property
    def _lists(self) -> Any:
        import faiss

        return faiss.read_index(str(self.lists_path), faiss.IO_FLAG_MMAP)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Threads that search one block each: faiss searches for one vector on one core only."""
        return ThreadPoolExecutor(os.cpu_count() or 1)

    def nearest(
        self, vector: Vectors, max_rows: int, effort: Effort = EVERY_VECTOR
    ) -> list[tuple[int, int, float]]:
        """Return (shard, row, cosine) of the rows nearest to a unit vector (d,), nearest first."""
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        if effort.probes:
            hits = self._search_lists(query, max_rows, effort)
        else:
            hits = list(self._pool.map(partial(_search_block, query, max_rows), self._opened))
        if not hits:
            return []
        ids = np.concatenate([of_block[0] for of_block in hits])
        cosines = np.concatenate([of_block[1] for of_block in hits])
        # Equal cosines are ordered by id, so that every search has the same order.
        order = np.lexsort((ids, -cosines))[:max_rows]
        nearest = zip(ids[order].tolist(), cosines[order].tolist(), strict=True)
        return [(identity >> ID_BITS, identity & ROW_MASK, cosine) for identity, cosine in nearest]

    def best_codes(self, queries: Vectors, rows: int, probes: int) -> NDArray[np.int64]:
        """Return the ids (n, rows) of the rows with the best codes for queries (n, d), best first.

        Where a query's `probes` lists hold fewer rows, -1 stands at the end.
        """
        import faiss

        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = probes
        _, ids = self._lists.search(queries, rows, params=parameters)
        return np.asarray(ids, np.int64)

    def _search_lists(self, query: Vectors, max_rows: int, effort: Effort) -> list[Hits]:
        """Return the rows with the best codes, with the cosines of their whole vectors."""
        (all_ids,) = self.best_codes(query, max(effort.compared, max_rows), effort.probes)
        found_ids = np.sort(all_ids[all_ids >= 0])
        # Sorted ids lie together by block.
        block_of = np.searchsorted(self._first_ids, found_ids, side="right") - 1
        starts = np.flatnonzero(np.diff(block_of, prepend=-1))
        by_block = [ids for ids in np.split(found_ids, starts) if len(ids)]
        blocks = [self._opened[number] for number in block_of[starts]]
        return list(map(partial(_compare, query), blocks, by_block))


def _compare(query: Vectors, block: Block, ids: NDArray[np.int64]) -> Hits:
    """Compute the cosines of rows of one block."""
    vectors = block.index.reconstruct_batch(ids - block.first_id)
    return ids, np.einsum("nd,d->n", vectors, query[0])


def _search_block(query: Vectors, max_rows: int, block: Block) -> Hits:
    cosines, rows = block.index.search(query, min(max_rows, block.index.ntotal))
    return block.first_id + rows[0], cosines[0]
