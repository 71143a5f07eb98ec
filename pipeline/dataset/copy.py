"""Copies a dataset with some of its columns, shard by shard, in the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from filters.registry import nearest
from pairsieve.records.manifest import KEYS_OF_A_COPY, MANIFEST, ListedFile, Manifest
from pairsieve.records.row import COLUMNS, KEY, LAION_COLUMNS
from pairsieve.storage import files
from pairsieve.storage.shards import read_listed, shard_bytes, shard_paths
from pipeline import __version__
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.next_version import put


def export(dataset: str, out: str, columns: Sequence[str] | None = None) -> tuple[int, int]:
    """Copy these columns, or LAION's where none are named.

    Returns the number of rows and of shards. Raises NoSuchDataset, Damaged.
    """
    manifest = read_manifest(dataset)
    # So that no file of others is written over, or taken for a part of the copy.
    if files.names_in(out):
        raise NoSuchDataset(f"{out} is not empty; name a new directory with --out")
    if columns is None:
        columns = [column.name for column in COLUMNS[:LAION_COLUMNS]]
    listed = manifest.by_path
    copies = [_copy_shard(dataset, out, listed[path], columns) for path in shard_paths(manifest)]
    copied = Manifest(
        pairsieve=__version__,
        # No run can replace it, so `erase` treats it as a dataset that others made.
        adopted=True,
        name=manifest.name,
        version=manifest.version,
        rows_folder="dataset/",
        columns={name: name for name in columns},
        files=copies,
        keys=KEYS_OF_A_COPY,
    )
    # The manifest comes last: a copy that was cut off has none.
    files.write_text(files.join(out, MANIFEST), copied.text())
    return sum(copy.rows for copy in copies), len(copies)


def _copy_shard(dataset: str, out: str, listed: ListedFile, columns: Sequence[str]) -> ListedFile:
    shard = pq.ParquetFile(pa.BufferReader(read_listed(dataset, listed)))
    names = shard.schema_arrow.names
    for name in columns:
        if name not in names:
            raise NoSuchDataset(f"{listed.path} has no column {name!r}; {nearest(name, names)}")
    table: pa.Table = shard.read(columns=list(columns)).select(list(columns))
    # Rows are in the order of the key; readers may search by it where the copy has it.
    sorted_by = KEY if KEY in columns else None
    content = shard_bytes(table, sorted_by)
    return put(out, listed.path, content, table.num_rows)
