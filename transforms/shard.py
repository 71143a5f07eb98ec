"""Rows to shards: named by their number, sorted by key, put in place whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pairsieve.records.layout import EMBEDDINGS_FOLDER, LEDGER_FOLDER
from pairsieve.records.ledger import LEDGER_SCHEMA
from pairsieve.records.row import KEY, ROW_SCHEMA, with_embedding
from pairsieve.storage import files
from pairsieve.storage.shards import shard_bytes
from pairsieve.storage.worklog import log_finished
from transforms.judge import Shelved
from transforms.plumbing.packing import MOST_HELD, PackByKey
from transforms.plumbing.spill import Spill, Spilled, read_batch

Shelf = tuple[str, int]
FileInfo = tuple[str, int, int, str]
"""(path below the output directory, rows, bytes, sha256)."""
Batch = bytes
"""Packed rows of one shelf: an Arrow stream, compressed."""
VECTOR_SCHEMA = pa.schema([(KEY, pa.string()), ("vector", pa.binary())])
ROWS_A_BATCH, LARGEST_HELD = 100, 200_000  # of 1.5 kB each, while they are held
# standard deviations: keys are hashes, so that a shard's rows are many independent coins
SPREAD = 6


@dataclass(frozen=True)
class ShardSettings:
    """`folders` are those below the output directory that every run has, whether rows fall into
    them or not; `embedding_column` says whether rows hold their picture's vector. `spill`: a folder
    for packed rows, instead of the shuffle.
    """

    output: str
    folders: Sequence[str]
    shards: int
    embedding_column: bool = False
    spill: str = ""

    def schema(self, folder: str) -> pa.Schema:
        """The columns of a folder's shards."""
        if folder == LEDGER_FOLDER:
            return LEDGER_SCHEMA
        if folder.startswith(EMBEDDINGS_FOLDER + "/"):
            return VECTOR_SCHEMA
        return with_embedding(ROW_SCHEMA) if self.embedding_column else ROW_SCHEMA


def shard_count(rows: int, at_least: int, rows_per_shard: int) -> int:
    """Shards for at most `rows` rows, so that none holds more than `rows_per_shard` (but for one
    chance in a billion).
    """
    expected = max(1.0, rows_per_shard - SPREAD * sqrt(rows_per_shard))
    return max(at_least, ceil(rows / expected))


def shard_path(folder: str, shard: int, shards: int) -> str:
    """A shard's path below the output directory, named as LAION named its files."""
    return f"{folder}/part-{shard:05d}-of-{shards:05d}.parquet"


def write_shard(
    group: tuple[Shelf, Iterable[Batch | Spilled]], settings: ShardSettings
) -> FileInfo:
    """One shard, sorted by key (the ledger by all its columns): the same rows give the same
    bytes.
    """
    (folder, shard), packed = group
    schema = settings.schema(folder)
    table = pa.concat_tables(
        [schema.empty_table(), *(unpack(read_batch(batch)) for batch in packed if batch)]
    ).combine_chunks()
    order = schema.names if folder == LEDGER_FOLDER else [KEY]
    table = table.sort_by([(name, "ascending") for name in order])
    path = shard_path(folder, shard, settings.shards)
    if schema is VECTOR_SCHEMA:
        path, content = path.removesuffix(".parquet") + ".npy", _vectors(table)
    else:
        content = shard_bytes(table, order[0])
    with files.open_whole(files.join(settings.output, path)) as stream:
        stream.write(content)
    log_finished("publish", path, table.num_rows)
    return path, table.num_rows, len(content), hashlib.sha256(content).hexdigest()


def _vectors(table: pa.Table) -> bytes:
    """(n, d) float16, in the order of the rows that stand beside them."""
    found = table.column("vector").to_pylist()
    buffer = io.BytesIO()
    np.save(
        buffer,
        np.frombuffer(b"".join(found), np.float16).reshape(len(found), -1)
        if found
        else np.empty((0, 0), np.float16),
    )
    return buffer.getvalue()


def pack(rows: Sequence[Sequence[object]], schema: pa.Schema) -> Batch:
    """Rows as they go through the shuffle.

    Compressed as a whole, since of a small batch the description of its columns is the most.
    """
    columns = [
        pa.array(column, field.type)
        for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    sink = pa.BufferOutputStream()
    with (
        pa.CompressedOutputStream(sink, "zstd") as compressed,
        pa.ipc.new_stream(compressed, schema) as stream,
    ):
        stream.write_table(pa.table(columns, schema=schema))
    return bytes(sink.getvalue())


def unpack(batch: Batch) -> pa.Table:
    """What `pack` packed."""
    return pa.ipc.open_stream(pa.CompressedInputStream(pa.BufferReader(batch), "zstd")).read_all()


def _every_shelf(settings: ShardSettings) -> Iterator[tuple[Shelf, Batch]]:
    """An empty batch each, so that a shard is written that no row falls into."""
    return (
        ((folder, shard), b"") for folder in settings.folders for shard in range(settings.shards)
    )


@dataclass
class WriteShards(beam.PTransform):  # type: ignore[misc]
    """Shelved rows -> shards; gives (path, rows, bytes, sha256) of each. The shuffle carries about
    150 bytes a row, and with embeddings 2 bytes a dimension more.
    """

    settings: ShardSettings

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        every = rows.pipeline | "Every shard" >> beam.Create(
            list(_every_shelf(self.settings)), reshuffle=False
        )
        packed = rows | "Pack by shard" >> beam.ParDo(
            PackByKey(
                "shelved",
                _shelf_of,
                partial(_pack_shelf, settings=self.settings),
                most_held(self.settings),
            )
        )
        if self.settings.spill:
            packed = packed | "Spill" >> beam.ParDo(Spill(self.settings.spill))
        return (
            (packed, every)
            | beam.Flatten()
            | "Group shards" >> beam.GroupByKey()
            | "Write shards" >> beam.Map(write_shard, settings=self.settings)
        )


def most_held(settings: ShardSettings) -> int:
    """How many rows a worker holds before it packs them: with many shards more, so that a batch of
    one is not small.
    """
    return min(LARGEST_HELD, max(MOST_HELD, ROWS_A_BATCH * settings.shards * len(settings.folders)))


def _shelf_of(shelved: Shelved) -> Shelf:
    return shelved.folder, shelved.shard


def _pack_shelf(shelf: Shelf, shelved: Sequence[Shelved], settings: ShardSettings) -> Batch:
    return pack([one.row for one in shelved], settings.schema(shelf[0]))
