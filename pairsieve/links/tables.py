"""Parquet files of links, read row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.links.columns import find_columns
from pairsieve.records.link import Link
from pairsieve.storage import files

BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group of a file; `first_row` is its first row in the file."""

    path: str
    group: int
    first_row: int


def row_groups(path: str, options: files.Options) -> Iterator[RowGroup]:
    """Every row group of a parquet file. Raises pyarrow.ArrowInvalid where it is none, OSError."""
    with files.open_read(path, options) as stream:
        footer = pq.ParquetFile(stream).metadata
        first_row = 0
        for group in range(footer.num_row_groups):
            yield RowGroup(path, group, first_row)
            first_row += footer.row_group(group).num_rows


def column_names(path: str, options: files.Options) -> list[str]:
    """The columns of a parquet file. Raises pyarrow.ArrowInvalid where it is none, OSError."""
    with files.open_read(path, options) as stream:
        return list(pq.ParquetFile(stream).schema_arrow.names)


def read_row_group(
    at: RowGroup, mapping: Mapping[str, str], options: files.Options
) -> Iterator[Link]:
    """The links of a row group; what is no text becomes an empty string. Raises MissingColumns,
    ArrowInvalid, OSError.
    """
    with files.open_read(at.path, options) as stream:
        table = pq.ParquetFile(stream)
        columns = find_columns(table.schema_arrow.names, mapping)
        row = at.first_row
        for batch in table.iter_batches(BATCH_ROWS, row_groups=[at.group], columns=columns.names):
            urls, captions = (_values(batch[name]) for name in (columns.url, columns.caption))
            ids = _values(batch[columns.id]) if columns.id else [None] * batch.num_rows
            for url, caption, row_id in zip(urls, captions, ids, strict=True):
                yield Link(
                    _text(url),
                    _text(caption),
                    at.path,
                    row,
                    "" if row_id is None else _identifier(row_id),
                )
                row += 1


def _values(column: pa.Array) -> list[Any]:
    """The cells of a column.

    Nothing makes sure that a file's text is UTF-8; what is not becomes U+FFFD.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return list(column.to_pylist())
    cells = column.cast(pa.large_binary()).to_pylist()
    return [None if cell is None else cell.decode("utf-8", "replace") for cell in cells]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _identifier(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
