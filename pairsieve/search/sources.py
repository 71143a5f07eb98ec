"""The shards of a dataset, and the vectors that were published with them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.records.manifest import Manifest
from pairsieve.records.row import EMBEDDING
from pairsieve.storage import files
from pairsieve.storage.shards import shard_paths

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """One shard of the dataset: where its rows and their vectors are, which subset and which
    model's space these belong to.
    """

    path: str
    sha256: str
    rows: int
    subset: str = ""
    vectors: str = ""
    space: str = ""


def sources(manifest: Manifest) -> list[Source]:
    """The shards of a dataset."""
    listed = manifest.by_path
    routes = manifest.setting("score", "routes", {})
    in_column = manifest.setting("publish", "embeddings") == "column"
    found = []
    for path in shard_paths(manifest):
        subset = path.split("/")[1] if path.startswith("dataset/") and path.count("/") == 2 else ""
        beside = path.replace("dataset/", "embeddings/", 1).removesuffix(".parquet") + ".npy"
        vectors = path if in_column else beside if beside in listed else ""
        space = routes.get(subset, "") if vectors else ""
        found.append(
            Source(
                path,
                listed[path].sha256,
                listed[path].rows,
                subset,
                vectors if space else "",
                space,
            )
        )
    return found


def read_vectors(dataset: str, source: Source) -> Vectors:
    """(n, d): those of a shard's rows, in their order."""
    with files.open_read(files.join(dataset, source.vectors)) as stream:
        if source.vectors.endswith(".npy"):
            return np.asarray(np.load(io.BytesIO(stream.read())), np.float32)
        column = pq.read_table(stream, columns=[EMBEDDING.name])[EMBEDDING.name].combine_chunks()
        return np.asarray(column.values.to_numpy(zero_copy_only=False), np.float32).reshape(
            len(column), -1
        )
