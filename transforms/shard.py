"""Writes rows and ledger entries to shards: named by number, sorted by key, written whole."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pairsieve.records.aggregates import Aggregates, count_decisions, count_rows
from pairsieve.records.layout import EMBEDDINGS_FOLDER, LEDGER_FOLDER, sidecar_path
from pairsieve.records.ledger import LEDGER_SCHEMA
from pairsieve.records.row import (
    EMBEDDING,
    KEY,
    SHUFFLED_SCHEMA,
    SIDECAR_COLUMNS,
    published_names,
    with_embedding,
)
from pairsieve.records.table import is_vector, vectors_to_arrow
from pairsieve.storage import files
from pairsieve.storage.job_end import GroupKey, GroupResult
from pairsieve.storage.shards import shard_bytes
from pairsieve.storage.worklog import log_finished
from pairsieve.web.domains import count_domains
from transforms.domains import DOMAIN_KEYS, DomainKey, pack_domains
from transforms.plumbing.counting import Counts
from transforms.plumbing.listing import EveryGroup
from transforms.plumbing.own import kind_of_group, on_own
from transforms.plumbing.packing import MAX_HELD, PackByKey
from transforms.plumbing.spill import Spill, Spilled, read_batches
from transforms.rules import PartRows, ShardRow

ShardKey = GroupKey
"""(folder below the output directory, number of the shard)."""

Batch = bytes
"""Packed rows of one shard: a compressed Arrow stream. One of each shard is empty."""

# Where a row has its URL.
URL_COLUMN = SHUFFLED_SCHEMA.get_field_index("URL")

# Distinct domains that a worker holds before it packs them: some 10 MB.
MAX_DOMAINS_HELD = 100_000

VECTOR_SCHEMA = pa.schema([(KEY, pa.string()), ("vector", pa.binary())])

# A worker holds enough rows for batches of this size, but not more than LARGEST_HELD, of 1.5 kB
# each.
ROWS_PER_BATCH, LARGEST_HELD = 100, 200_000

# Standard deviations by which a shard may hold more rows than expected. Keys are hashes, so that
# the size of a shard varies like a binomial distribution.
SPREAD = 6


@dataclass(frozen=True)
class ShardSettings:
    """Where shards go, and what they hold.

    `folders` are those below the output directory that every run has, with or without rows.
    `embedding_column`: whether rows hold the vector of their picture. `spill` is a folder for
    packed rows, instead of the shuffle. `private` is the folder of the sensitive columns; empty
    where they are published.
    """

    output: str
    folders: Sequence[str]
    shards: int
    embedding_column: bool = False
    spill: str = ""
    private: str = ""

    @property
    def all_keys(self) -> list[ShardKey | DomainKey]:
        """The keys of all shards, with or without rows, and of all buckets of domains.

        So a dataset always has the same files.
        """
        shards = [(folder, shard) for folder in self.folders for shard in range(self.shards)]
        return [*shards, *DOMAIN_KEYS]

    def schema(self, folder: str) -> pa.Schema:
        """The columns of what goes to a folder, published or not."""
        if folder == LEDGER_FOLDER:
            return LEDGER_SCHEMA
        if folder.startswith(EMBEDDINGS_FOLDER + "/"):
            return VECTOR_SCHEMA
        return with_embedding(SHUFFLED_SCHEMA) if self.embedding_column else SHUFFLED_SCHEMA

    @property
    def published(self) -> list[str]:
        """The columns of the rows that are published, in their order."""
        names = published_names("private" if self.private else "published")
        return [*names, EMBEDDING.name] if self.embedding_column else names


def shard_count(rows: int, at_least: int, rows_per_shard: int) -> int:
    """The number of shards for at most `rows` rows.

    With one chance in a billion a shard holds more than `rows_per_shard` rows.
    """
    expected = max(1.0, rows_per_shard - SPREAD * sqrt(rows_per_shard))
    return max(at_least, ceil(rows / expected))


def shard_path(folder: str, shard: int, shards: int) -> str:
    """A shard's path below the output directory, named as LAION named its files."""
    return f"{folder}/part-{shard:05d}-of-{shards:05d}.parquet"


def write_shard(
    group: tuple[ShardKey, Iterable[Batch | Spilled]], settings: ShardSettings
) -> GroupResult:
    """Write one shard, sorted by key, and count its rows. The ledger is sorted by all its columns.

    The same rows give the same bytes, in whatever order they come. So it does no harm when a runner
    writes a shard again. The result lists (path below the output directory, rows, bytes, sha256).
    """
    key, batches = group
    folder, shard = key
    schema = settings.schema(folder)
    order = schema.names if folder == LEDGER_FOLDER else [KEY]
    table = _sorted_table(batches, schema, order)
    path = shard_path(folder, shard, settings.shards)
    if _is_of_dataset(folder):
        if settings.private:
            _write_sidecar(table, path, settings.private)
        table = table.select(settings.published)
    if schema is VECTOR_SCHEMA:
        # Vectors are shuffled as a table, and published as a plain array.
        path = path.removesuffix(".parquet") + ".npy"
        content = _vectors(table)
    else:
        content = shard_bytes(table, order[0])
    with files.open_whole(files.join(settings.output, path)) as stream:
        stream.write(content)
    log_finished("publish", path, table.num_rows)
    info = (path, table.num_rows, len(content), hashlib.sha256(content).hexdigest())
    return GroupResult(key, listed=[info], aggregates=_counted(table, folder))


def _counted(table: pa.Table, folder: str) -> Aggregates:
    """Count what a shard holds here, where all its columns are in memory."""
    if folder == LEDGER_FOLDER:
        return count_decisions(table)
    if not _is_of_dataset(folder):
        return Aggregates()  # vectors, which belong to rows of a shard
    return count_rows(table)


def _write_sidecar(table: pa.Table, path: str, folder: str) -> None:
    """Write the sensitive columns of a shard's rows to a private file of the same name."""
    content = shard_bytes(table.select(SIDECAR_COLUMNS), KEY)
    with files.open_whole(files.join(folder, sidecar_path(path)), private=True) as stream:
        stream.write(content)


def _sorted_table(
    batches: Iterable[Batch | Spilled], schema: pa.Schema, order: Sequence[str]
) -> pa.Table:
    # A generator, so that no more than one packed batch is in memory.
    packed = (batch for batch in read_batches(batches) if batch)
    tables = [schema.empty_table(), *map(unpack, packed)]
    table = pa.concat_tables(tables).combine_chunks()
    return table.sort_by([(name, "ascending") for name in order])


def _vectors(table: pa.Table) -> bytes:
    """An .npy file of vectors (n, d), float16, in the order of the rows beside them."""
    vectors = table.column("vector").to_pylist()
    # Without a row nothing says how many dimensions a vector has.
    array = np.empty((0, 0), np.float16)
    if vectors:
        array = np.frombuffer(b"".join(vectors), np.float16).reshape(len(vectors), -1)
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def pack(rows: Sequence[Sequence[object]], schema: pa.Schema) -> Batch:
    """Pack rows for the shuffle.

    The stream is compressed as a whole, because most of a small batch is the description of its
    columns.
    """
    values_by_column = zip(*rows, strict=True)
    columns = []
    for values, field in zip(values_by_column, schema, strict=True):
        if is_vector(field.type):
            columns.append(vectors_to_arrow(values))
        else:
            columns.append(pa.array(values, field.type))
    sink = pa.BufferOutputStream()
    with (
        pa.CompressedOutputStream(sink, "zstd") as compressed,
        pa.ipc.new_stream(compressed, schema) as stream,
    ):
        stream.write_table(pa.table(columns, schema=schema))
    return bytes(sink.getvalue())


def unpack(batch: Batch) -> pa.Table:
    """The rows that `pack` packed."""
    compressed = pa.CompressedInputStream(pa.BufferReader(batch), "zstd")
    return pa.ipc.open_stream(compressed).read_all()


@dataclass
class PackByShard(beam.PTransform):  # type: ignore[misc]
    """PartRows -> (ShardKey, batch), and (DomainKey, batch). Counts pass, under their own key.

    With `settings.spill` batches of rows go to files.
    """

    settings: ShardSettings

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        pack_rows = partial(_pack_rows, settings=self.settings)
        pack_by_shard: PackByKey[ShardKey | DomainKey] = PackByKey(
            _counted_name,
            _shard_key,
            pack_rows,
            max_held(self.settings),
            self.settings.all_keys,
        )
        packed = rows | "Pack" >> beam.ParDo(PackParts(pack_by_shard))
        if self.settings.spill:
            packed = packed | "Spill" >> beam.ParDo(Spill(self.settings.spill, _is_spilled))
        return packed


@dataclass
class WriteShards(beam.PTransform):  # type: ignore[misc]
    """Groups of rows or vectors -> shards, and GroupResult. Everything else passes."""

    settings: ShardSettings

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        write = partial(write_shard, settings=self.settings)
        return groups | "Write shard" >> on_own(_is_group_of_rows, write)


@dataclass
class WriteLedger(beam.PTransform):  # type: ignore[misc]
    """Groups of ledger entries -> shards, and GroupResult. Everything else passes."""

    settings: ShardSettings

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        write = partial(write_shard, settings=self.settings)
        return groups | "Write ledger shard" >> on_own(_is_group_of_entries, write)


class PackParts(beam.DoFn):  # type: ignore[misc]
    """PartRows -> what a PackByKey makes of their rows, and batches of the domains of their URLs.

    A runner takes longer to hand on a row than it takes to pack one.
    """

    def __init__(self, pack: PackByKey[ShardKey | DomainKey]) -> None:
        self._pack = pack

    def start_bundle(self) -> None:
        self._pack.start_bundle()
        self._rows_of_domain: Counter[str] = Counter()

    def process(self, part: PartRows | Counts | EveryGroup) -> Iterator[tuple[Any, Any]]:
        if isinstance(part, Counts | EveryGroup):
            yield from self._pack.process(part)
        else:
            for row in part.rows:
                yield from self._pack.process(row)
            self._rows_of_domain.update(count_domains(_urls_of(part)))
            if len(self._rows_of_domain) >= MAX_DOMAINS_HELD:
                yield from self._flush_domains()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from self._pack.finish_bundle()
        window = GlobalWindow()
        for batch in self._flush_domains():
            yield WindowedValue(batch, window.max_timestamp(), [window])

    def _flush_domains(self) -> list[tuple[DomainKey, bytes]]:
        batches = list(pack_domains(self._rows_of_domain))
        self._rows_of_domain = Counter()
        return batches


def _urls_of(part: PartRows) -> pa.ChunkedArray:
    """The URLs of the published rows of a part."""
    urls = [row.row[URL_COLUMN] for row in part.rows if _is_of_dataset(row.folder)]
    return pa.chunked_array([urls], pa.string())


def _is_of_dataset(folder: str) -> bool:
    return folder.startswith("dataset/")


def _is_of_rows(kind: str) -> bool:
    """Whether a key is of rows or vectors, by its first half."""
    return _is_of_dataset(kind) or kind.startswith(EMBEDDINGS_FOLDER + "/")


def _is_group_of_rows(element: Any) -> bool:
    return _is_of_rows(kind_of_group(element))


def _is_group_of_entries(element: Any) -> bool:
    return kind_of_group(element) == LEDGER_FOLDER


def _is_spilled(keyed: tuple[ShardKey | DomainKey, Any]) -> bool:
    """Whether a batch goes to a file: rows and entries do, counts and empty batches do not."""
    kind = kind_of_group(keyed)
    _, batch = keyed
    return bool(batch) and (_is_of_rows(kind) or kind == LEDGER_FOLDER)


def max_held(settings: ShardSettings) -> int:
    """How many rows a worker holds before it packs them.

    With more shards it holds more rows, so that the batch of one shard does not become small.
    """
    for_all_shards = ROWS_PER_BATCH * settings.shards * len(settings.folders)
    return min(LARGEST_HELD, max(MAX_HELD, for_all_shards))


def _shard_key(row: ShardRow) -> ShardKey:
    return row.folder, row.shard


def _counted_name(key: ShardKey) -> str:
    # One counter for all shards: a name for each would make thousands of them.
    return "shelved"


def _pack_rows(key: ShardKey, rows: Sequence[ShardRow], settings: ShardSettings) -> Batch:
    folder, _ = key
    return pack([shard_row.row for shard_row in rows], settings.schema(folder))
