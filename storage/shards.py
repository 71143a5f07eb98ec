"""How a shard is written: parquet that DuckDB, pandas and `datasets` read in pieces, the same bytes for the same rows."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 100_000
"""DuckDB gives each thread a row group and asks for 100,000 rows or more; Hugging Face's viewer wants less than 300 MB in each. A row of
ours is less than 1 kB."""


def shard_bytes(table: pa.Table, sorted_by: str | None = None) -> bytes:
    """A table as zstd parquet with statistics and a page index; `sorted_by` names the column that readers may search by halving."""
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
