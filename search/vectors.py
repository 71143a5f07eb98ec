"""Nearest vectors: one file a shard, exact where there are few rows, else by inverted lists that all shards share.

Inverted lists (faiss IVF) over float16: k-means puts each vector into the list of its nearest centre, and a query looks into the lists
of the `probes` centres next to it. How many that are is measured when the index is built, so that of the ten nearest at least the share
`recall` is found. Files are memory-mapped: what is resident is what queries have touched, and it can be given back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from search.sources import Vectors

VECTORS = "vectors.faiss"
SAMPLE_VECTORS, A_CENTRE = 100_000, 40  # to find centres from; vectors for each at least (faiss warns below 39)
PROBED, NEAREST = 200, 10  # queries and neighbours by which recall is measured
HALVED = 3  # times, between a number of lists that is too small and its double


@dataclass(frozen=True)
class VectorSettings:
    """Below `exact_below` rows every vector is looked at; from there on `recall` of the ten nearest is wanted."""

    exact_below: int = 100_000
    recall: float = 0.99


def find_centres(sample: Vectors, rows: int, seed: int = 0) -> Any:
    """The centres of so many rows' lists, as a faiss index, from a sample of them."""
    number = max(1, min(int(4 * rows**0.5), len(sample) // A_CENTRE))
    kmeans = faiss.Kmeans(sample.shape[1], number, niter=10, seed=seed, spherical=True)
    kmeans.train(np.ascontiguousarray(sample, np.float32))
    return kmeans.index


def write_vectors(folder: Path, vectors: Vectors, centres: Any | None) -> None:
    """One shard's vectors, in lists where there are centres; numbers are places in the shard."""
    size = vectors.shape[1]
    kind, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    if centres is None:
        index: Any = faiss.IndexScalarQuantizer(size, kind, metric)
    else:
        index = faiss.IndexIVFScalarQuantizer(centres, size, centres.ntotal, kind, metric, False)
    if len(vectors):
        index.train(vectors[:1])
        index.add(np.ascontiguousarray(vectors, np.float32))
    if centres is not None:
        index.quantizer = faiss.IndexFlatIP(size)  # the centres lie in a file of their own, once
    faiss.write_index(index, str(folder / VECTORS))


@dataclass(frozen=True)
class VectorIndex:
    """The shards of one model's vectors: (number of the shard, its folder)."""

    shards: Sequence[tuple[int, Path]]
    centres_path: Path | None = None
    probes: int = 1

    @cached_property
    def _opened(self) -> list[tuple[int, Any]]:
        opened: list[tuple[int, Any]] = [
            (number, faiss.read_index(str(folder / VECTORS), faiss.IO_FLAG_MMAP)) for number, folder in self.shards
        ]
        if self.centres_path:
            for _, index in opened:
                index.nprobe = min(self.probes, self._centres.ntotal)
        return [(number, index) for number, index in opened if index.ntotal]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Faiss looks for one vector on one core; shards are looked through on all."""
        return ThreadPoolExecutor(os.cpu_count() or 1)

    @cached_property
    def _centres(self) -> Any:
        return faiss.read_index(str(self.centres_path))

    def nearest(self, vector: Vectors, most: int) -> list[tuple[int, int, float]]:
        """(shard, row, cosine) of the nearest to a unit vector, the nearest first."""
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        found = list(self._found(query, most))
        if not found:
            return []
        shards = np.concatenate([np.full(len(rows), number) for number, rows, _ in found])
        rows, cosines = (np.concatenate([part[at] for part in found]) for at in (1, 2))
        order = np.lexsort((rows, shards, -cosines))[:most]
        return [(int(shards[i]), int(rows[i]), float(cosines[i])) for i in order]

    def _found(self, query: Vectors, most: int) -> Iterator[tuple[int, NDArray[np.int64], Vectors]]:
        lists = self._centres.search(query, min(self.probes, self._centres.ntotal)) if self.centres_path else None
        return self._pool.map(partial(_in_shard, query=query, most=most, lists=lists), self._opened)


def _in_shard(shard: tuple[int, Any], query: Vectors, most: int, lists: Any) -> tuple[int, NDArray[np.int64], Vectors]:
    number, index = shard
    if lists is None:
        cosines, rows = index.search(query, min(most, index.ntotal))
    else:
        cosines, rows = index.search_preassigned(query, most, lists[1], lists[0])
    there = rows[0] >= 0
    return number, rows[0][there], cosines[0][there]


def probes_for(index: VectorIndex, exact: Any, queries: Vectors, recall: float, centres: int) -> int:
    """About the fewest lists with which `recall` of the ten nearest are found: doubled from one on, then halved in between.

    `exact`: the true ones, (n, 10) pairs.
    """

    def is_enough(probes: int) -> bool:
        tried = VectorIndex(index.shards, index.centres_path, probes)
        found = [{(shard, row) for shard, row, _ in tried.nearest(query, NEAREST)} for query in queries]
        return sum(len(f & t) for f, t in zip(found, exact, strict=True)) >= recall * sum(map(len, exact))

    enough = 1
    while enough < centres and not is_enough(enough):
        enough = min(2 * enough, centres)
    too_few = enough // 2
    for _ in range(HALVED):
        between = (too_few + enough) // 2
        if between <= too_few:
            break
        too_few, enough = (too_few, between) if is_enough(between) else (between, enough)
    return enough
