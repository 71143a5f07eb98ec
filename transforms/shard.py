"""Rows and ledger entries to shards: named by number, sorted by key, written whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from pairsieve.records.layout import EMBEDDINGS_FOLDER, LEDGER_FOLDER
from pairsieve.records.ledger import LEDGER_SCHEMA
from pairsieve.records.row import KEY, ROW_SCHEMA, with_embedding
from pairsieve.storage import files
from pairsieve.storage.shards import shard_bytes
from pairsieve.storage.worklog import log_finished
from transforms.plumbing.packing import MOST_HELD, PackByKey
from transforms.plumbing.spill import Spill, Spilled, read_batch
from transforms.plumbing.working_on import named
from transforms.rules import LedgerRow, ShardRow

ShardKey = tuple[str, int]
"""(folder below the output directory, number of the shard)."""
FileInfo = tuple[str, int, int, str]
"""(path below the output directory, rows, bytes, sha256)."""
Batch = bytes
"""Packed rows of one shard: an Arrow stream, compressed."""
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
    group: tuple[ShardKey, Iterable[Batch | Spilled]], settings: ShardSettings
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


def _every_shard(settings: ShardSettings) -> Iterator[tuple[ShardKey, Batch]]:
    """An empty batch each, so that a shard is written that no row falls into."""
    return (
        ((folder, shard), b"") for folder in settings.folders for shard in range(settings.shards)
    )


@dataclass
class PackByShard(beam.PTransform):  # type: ignore[misc]
    """Rows or ledger entries -> (ShardKey, batch); with `settings.spill` batches lie in files."""

    settings: ShardSettings

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        pack_rows = partial(_pack_rows, settings=self.settings)
        pack_by_shard = PackByKey("shelved", _shard_key, pack_rows, max_held(self.settings))
        packed = rows | "Pack" >> beam.ParDo(pack_by_shard)
        if self.settings.spill:
            packed = packed | "Spill" >> beam.ParDo(Spill(self.settings.spill))
        return packed


@dataclass
class GroupByShard(beam.PTransform):  # type: ignore[misc]
    """Packed rows and packed entries -> (ShardKey, its batches), for each shard of each folder.

    The shuffle carries about 150 bytes a row, and with embeddings 2 bytes a dimension more.
    """

    settings: ShardSettings

    def expand(self, packed: Sequence[beam.PCollection]) -> beam.PCollection:
        # An empty batch for each shard: one that no row falls into is written all the same.
        every = packed[0].pipeline | "Every shard" >> beam.Create(
            list(_every_shard(self.settings)), reshuffle=False
        )
        return (
            (*packed, every)
            | "With every shard" >> beam.Flatten()
            | "Group shards" >> beam.GroupByKey()
        )


@dataclass
class WriteShards(beam.PTransform):  # type: ignore[misc]
    """(ShardKey, batches) -> (path, rows, bytes, sha256) of each shard of rows or vectors."""

    settings: ShardSettings

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        rows = groups | "Shards of rows" >> beam.Filter(lambda group: not is_ledger(group))
        return rows | "Write shard" >> beam.Map(named(write_shard), settings=self.settings)


@dataclass
class WriteLedger(beam.PTransform):  # type: ignore[misc]
    """(ShardKey, batches) -> (path, rows, bytes, sha256) of each shard of the ledger."""

    settings: ShardSettings

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        entries = groups | "Shards of the ledger" >> beam.Filter(is_ledger)
        return entries | "Write ledger shard" >> beam.Map(
            named(write_shard), settings=self.settings
        )


def is_ledger(group: tuple[ShardKey, Any]) -> bool:
    """Whether a group is one of ledger entries."""
    (folder, _), _ = group
    return folder == LEDGER_FOLDER


def max_held(settings: ShardSettings) -> int:
    """How many rows a worker holds before it packs them.

    With many shards it holds more, so that the batch of one shard is not small.
    """
    wanted = ROWS_A_BATCH * settings.shards * len(settings.folders)
    return min(LARGEST_HELD, max(MOST_HELD, wanted))


def _shard_key(row: ShardRow | LedgerRow) -> ShardKey:
    folder = LEDGER_FOLDER if isinstance(row, LedgerRow) else row.folder
    return folder, row.shard


def _pack_rows(
    key: ShardKey, rows: Sequence[ShardRow | LedgerRow], settings: ShardSettings
) -> Batch:
    folder, _ = key
    return pack([shard_row.row for shard_row in rows], settings.schema(folder))
