"""List the shards of a dataset, and read the vectors that were published with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.records.manifest import Manifest
from pairsieve.records.row import EMBEDDING
from pairsieve.storage import files, openers
from pairsieve.storage.npy import read_vector_header, vector_blocks
from pairsieve.storage.shards import shard_paths

Vectors = NDArray[np.float32]
"""(n, d): one vector a row, d numbers each."""


@dataclass(frozen=True)
class Source:
    """One shard of a dataset.

    `path` and `vectors` are the files of its rows and of their vectors, in the dataset's folder;
    `vectors` is empty if none were published. `space` names the model that made the vectors.
    """

    path: str
    sha256: str
    rows: int
    subset: str = ""
    vectors: str = ""
    space: str = ""


def sources(manifest: Manifest) -> list[Source]:
    """Return the shards that a dataset's manifest lists."""
    listed = manifest.by_path
    model_of_subset = manifest.setting("score", "routes", {})
    in_column = manifest.setting("publish", "embeddings") == "column"
    shards = []
    for path in shard_paths(manifest):
        subset = _subset_of(path)
        npy_path = path.replace("dataset/", "embeddings/", 1).removesuffix(".parquet") + ".npy"
        vectors = ""
        if in_column:
            vectors = path
        elif npy_path in listed:
            vectors = npy_path
        space = model_of_subset.get(subset, "") if vectors else ""
        if not space:
            vectors = ""  # vectors of an unknown model cannot be compared with anything
        entry = listed[path]
        shards.append(Source(path, entry.sha256, entry.rows, subset, vectors, space))
    return shards


def _subset_of(path: str) -> str:
    """Return the subset of `dataset/SUBSET/part-....parquet`; empty for any other path."""
    is_ours = path.startswith("dataset/") and path.count("/") == 2
    return path.split("/")[1] if is_ours else ""


BLOCK_ROWS = 65_536  # with 512 dimensions 128 MiB


def read_vectors(dataset: str, source: Source) -> Iterator[Vectors]:
    """Yield the vectors of a shard in the order of its rows, BLOCK_ROWS at a time.

    Raises ValueError for a file that is cut off, or is no array of vectors.
    """
    is_array = source.vectors.endswith(".npy")
    open_file = files.open_read if is_array else openers.open_columns
    with open_file(files.join(dataset, source.vectors)) as stream:
        if is_array:
            blocks = vector_blocks(stream, read_vector_header(stream), BLOCK_ROWS)
        else:
            blocks = _of_column(stream)
        for block in blocks:
            yield np.asarray(block, np.float32)


def _of_column(stream: IO[bytes]) -> Iterator[NDArray[np.floating]]:
    """Yield the vectors that stand in a column of the shard itself."""
    table = pq.ParquetFile(stream)
    for batch in table.iter_batches(BLOCK_ROWS, columns=[EMBEDDING.name]):
        column = batch.column(EMBEDDING.name)
        numbers = column.values.to_numpy(zero_copy_only=False)
        yield numbers.reshape(len(column), -1)
