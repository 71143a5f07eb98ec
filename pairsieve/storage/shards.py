"""Shards: which files of a manifest they are, and how they are written, as DuckDB, pandas and
`datasets` like to read them.
"""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.records.manifest import ListedFile, Manifest
from pairsieve.storage import files
from pairsieve.storage.sealed import Damaged

DELTAS = "erasures"  # below the output directory: the ids of rows that are gone
ROW_GROUP_ROWS = 100_000
"""DuckDB gives each thread a row group and asks for 100,000 rows or more; Hugging Face's viewer
wants less than 300 MB in each. A row of ours is less than 1 kB.
"""


def shard_bytes(table: pa.Table, sorted_by: str | None = None) -> bytes:
    """A table as zstd parquet with statistics and a page index; `sorted_by` names the column that
    readers may search by halving.
    """
    sorting = [pq.SortingColumn(table.schema.get_field_index(sorted_by))] if sorted_by else None
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        write_statistics=True,
        write_page_index=True,
        sorting_columns=sorting,
    )
    return buffer.getvalue()


FROM_A_COPY = (
    "Get it back from a copy, or publish the dataset anew; `pairsieve verify` says what else is "
    "damaged. Nothing was changed"
)


def read_listed(dataset: str, listed: ListedFile) -> bytes:
    """The bytes of a file of a manifest, which must be those that it lists: no damaged file may get
    a new checksum. Raises Damaged.
    """
    path = files.join(dataset, listed.path)
    with files.open_read(path) as stream:
        content = bytes(stream.read())
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise Damaged(path, FROM_A_COPY)
    return content


def shard_paths(manifest: Manifest) -> list[str]:
    """The files that hold rows."""
    below = manifest.rows_folder
    paths = [
        f.path for f in manifest.files if f.path.startswith(below) and f.path.endswith(".parquet")
    ]
    return [path for path in paths if not path.startswith(DELTAS + "/")]
