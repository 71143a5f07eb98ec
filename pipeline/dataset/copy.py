"""A copy of a dataset with some of its columns: shard by shard, in the order of the rows."""

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
from pipeline.dataset.erasure import put
from pipeline.dataset.manifest import NoSuchDataset, read_manifest


def export(dataset: str, out: str, columns: Sequence[str] | None = None) -> tuple[int, int]:
    """Copy these columns (LAION's where none are named); how many rows in how many shards. Raises
    NoSuchDataset, Damaged.
    """
    manifest = read_manifest(dataset)
    if files.names_in(out):
        raise NoSuchDataset(f"{out} is not empty; name a new directory with --out")
    wanted = list(columns or [column.name for column in COLUMNS[:LAION_COLUMNS]])
    before = manifest.by_path
    listed = [_copy(dataset, out, before[path], wanted) for path in shard_paths(manifest)]
    copied = Manifest(
        pairsieve=__version__,
        adopted=True,
        name=manifest.name,
        version=manifest.version,
        rows_folder="dataset/",
        columns={name: name for name in wanted},
        files=listed,
        keys=KEYS_OF_A_COPY,
    )
    files.write_text(files.join(out, MANIFEST), copied.text())
    return sum(shard.rows for shard in listed), len(listed)


def _copy(dataset: str, out: str, listed: ListedFile, wanted: Sequence[str]) -> ListedFile:
    path = listed.path
    shard = pq.ParquetFile(pa.BufferReader(read_listed(dataset, listed)))
    missing = next((name for name in wanted if name not in shard.schema_arrow.names), None)
    if missing is not None:
        raise NoSuchDataset(
            f"{path} has no column {missing!r}; {nearest(missing, shard.schema_arrow.names)}"
        )
    table: pa.Table = shard.read(columns=list(wanted)).select(list(wanted))
    return put(out, path, shard_bytes(table, KEY if KEY in wanted else None), table.num_rows)
