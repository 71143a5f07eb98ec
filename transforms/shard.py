"""Rows to shards: named by their number, sorted by key, put in place whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from records.ledger import LEDGER_SCHEMA
from records.row import KEY_INDEX, ROW_SCHEMA
from storage import files
from transforms.judge import EMBEDDINGS_FOLDER, LEDGER_FOLDER, Shelved

Row = tuple[object, ...]
Shelf = tuple[str, int]
FileInfo = tuple[str, int, int, str]
"""(path below the output directory, rows, bytes, sha256)."""


@dataclass(frozen=True)
class ShardSettings:
    """`folders` are those below the output directory that every run has, whether rows fall into them or not."""

    output: str
    folders: Sequence[str]
    shards: int


def shard_path(folder: str, shard: int, shards: int) -> str:
    """A shard's path below the output directory, named as LAION named its files."""
    return f"{folder}/part-{shard:05d}-of-{shards:05d}.parquet"


def write_shard(group: tuple[Shelf, Iterable[Row | None]], settings: ShardSettings) -> FileInfo:
    """One shard, sorted by key (the ledger by all its columns): the same rows give the same bytes."""
    (folder, shard), found = group
    rows = [row for row in found if row is not None]
    vectors = folder.startswith(EMBEDDINGS_FOLDER + "/")
    content = _vectors(rows) if vectors else _table(rows, folder)
    path = shard_path(folder, shard, settings.shards)
    path = path.removesuffix(".parquet") + ".npy" if vectors else path
    with files.open_whole(files.join(settings.output, path)) as stream:
        stream.write(content)
    return path, len(rows), len(content), hashlib.sha256(content).hexdigest()


def _vectors(rows: list[Row]) -> bytes:
    """(n, d) float16, in the order of the rows that stand beside them."""
    rows.sort(key=lambda row: str(row[0]))
    buffer = io.BytesIO()
    np.save(buffer, np.stack([np.frombuffer(cast(bytes, row[1]), np.float16) for row in rows]) if rows else np.empty((0, 0), np.float16))
    return buffer.getvalue()


def _table(rows: list[Row], folder: str) -> bytes:
    schema = LEDGER_SCHEMA if folder == LEDGER_FOLDER else ROW_SCHEMA
    rows.sort(key=_ledger_order if folder == LEDGER_FOLDER else _row_order)
    columns = [pa.array([row[i] for row in rows], column.type) for i, column in enumerate(schema)]
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _row_order(row: Row) -> str:
    return str(row[KEY_INDEX])


def _ledger_order(row: Row) -> tuple[str, ...]:
    return tuple(map(str, row))


def _every_shelf(settings: ShardSettings) -> Iterator[tuple[Shelf, None]]:
    return (((folder, shard), None) for folder in settings.folders for shard in range(settings.shards))


@dataclass
class WriteShards(beam.PTransform):  # type: ignore[misc]
    """Shelved rows -> shards; gives (path, rows, bytes, sha256) of each. The shuffle carries about 800 bytes a row, and
    with embeddings 2 bytes a dimension more."""

    settings: ShardSettings

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        every = rows.pipeline | "Every shard" >> beam.Create(list(_every_shelf(self.settings)), reshuffle=False)
        keyed = rows | "Key by shard" >> beam.Map(_keyed)
        return (
            (keyed, every)
            | beam.Flatten()
            | "Group shards" >> beam.GroupByKey()
            | "Write shards" >> beam.Map(write_shard, settings=self.settings)
        )


def _keyed(shelved: Shelved) -> tuple[Shelf, Row]:
    return (shelved.folder, shelved.shard), shelved.row
