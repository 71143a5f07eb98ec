"""Shards: how they are encoded, and which files of a manifest they are.

The encoding suits DuckDB, pandas and Hugging Face's `datasets`.
"""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.records.manifest import ListedFile, Manifest
from pairsieve.storage import files
from pairsieve.storage.sealed import Damaged

DELTAS = "erasures"
"""The folder, below the output directory, with the ids of rows that were erased."""

ROW_GROUP_ROWS = 100_000
"""Rows in a row group of a shard.

DuckDB gives each thread a row group and recommends 100,000 rows or more. Hugging Face's viewer
needs less than 300 MB in each. A row of ours has less than 1 kB.
"""

RESTORE = (
    "Get it back from a copy, or publish the dataset anew; `pairsieve verify` says what else is "
    "damaged. Nothing was changed"
)
"""What to do about a damaged file of a published dataset."""


def shard_bytes(table: pa.Table, sorted_by: str | None = None) -> bytes:
    """Encode a table as zstd parquet with statistics and a page index.

    `sorted_by` names the column by which the rows are sorted; readers may search it by bisection.
    """
    sorting_columns = None
    if sorted_by:
        sorting_columns = [pq.SortingColumn(table.schema.get_field_index(sorted_by))]
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        write_statistics=True,
        write_page_index=True,
        sorting_columns=sorting_columns,
    )
    return buffer.getvalue()


def read_listed(dataset: str, listed: ListedFile) -> bytes:
    """Read a file that a manifest lists. Raises Damaged if its sha256 is not the listed one.

    Commands that rewrite files must read them here: otherwise a damaged file would get a new,
    valid checksum.
    """
    path = files.join(dataset, listed.path)
    with files.open_read(path) as stream:
        content = bytes(stream.read())
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise Damaged(path, RESTORE)
    return content


def shard_paths(manifest: Manifest) -> list[str]:
    """The paths of the files that hold rows."""
    paths = []
    for listed in manifest.below(manifest.rows_folder):
        # In an adopted dataset rows may lie at the top, and then deltas lie below them.
        is_delta = listed.path.startswith(DELTAS + "/")
        if listed.path.endswith(".parquet") and not is_delta:
            paths.append(listed.path)
    return paths
