"""Reads parquet files of links, row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.links.columns import LinkColumns, find_columns
from pairsieve.records.link import Link
from pairsieve.storage import files, openers

BATCH_ROWS = 4096
# Of a column that are read at a time. Otherwise a column of a whole row group is held.
BUFFER_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a file. `first_row` is the number of its first row in the file, from 0."""

    path: str
    group: int
    first_row: int
    rows: int


def row_groups(path: str, options: files.Options) -> Iterator[RowGroup]:
    """Yield the row groups of a parquet file. Raises pyarrow.ArrowInvalid for others, OSError."""
    with files.open_read(path, options) as stream:
        footer = pq.ParquetFile(stream).metadata
        first_row = 0
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            yield RowGroup(path, group, first_row, rows)
            first_row += rows


def number_of_rows(path: str) -> int:
    """The rows of a parquet file, from its footer. Raises pyarrow.ArrowInvalid, OSError."""
    with files.open_read(path) as stream:
        return int(pq.ParquetFile(stream).metadata.num_rows)


def column_names(path: str, options: files.Options) -> list[str]:
    """The columns of a parquet file. Raises pyarrow.ArrowInvalid for other files, OSError."""
    with files.open_read(path, options) as stream:
        return list(pq.ParquetFile(stream).schema_arrow.names)


def read_row_group(
    group: RowGroup, mapping: Mapping[str, str], options: files.Options
) -> Iterator[Link]:
    """Yield the links of a row group. A cell that is not text becomes an empty text.

    Raises MissingColumns, pyarrow.ArrowInvalid, OSError.
    """
    row_number = group.first_row
    for batch, columns in _batches(group, mapping, options):
        ids = _values(batch[columns.id]) if columns.id else [None] * batch.num_rows
        cells = zip(*_urls_and_captions(batch, columns), ids, strict=True)
        for url, caption, row_id in cells:
            yield Link(
                url=url,
                caption=caption,
                file=group.path,
                row=row_number,
                row_id=_identifier(row_id),
            )
            row_number += 1


def read_urls_and_captions(
    group: RowGroup, options: files.Options
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the URLs and the captions of some rows at a time, found by known names.

    A cell that is not text becomes an empty text. Raises MissingColumns, pyarrow.ArrowInvalid,
    OSError.
    """
    for batch, columns in _batches(group, {"id": ""}, options):
        yield _urls_and_captions(batch, columns)


def _batches(
    group: RowGroup, mapping: Mapping[str, str], options: files.Options
) -> Iterator[tuple[pa.RecordBatch, LinkColumns]]:
    with openers.open_row_groups(group.path, options) as stream:
        table = pq.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False)
        columns = find_columns(table.schema_arrow.names, mapping)
        # a worker has one core, and each thread keeps memory of its own
        batches = table.iter_batches(
            BATCH_ROWS, row_groups=[group.group], columns=columns.names, use_threads=False
        )
        for batch in batches:
            yield batch, columns


def _urls_and_captions(batch: pa.RecordBatch, columns: LinkColumns) -> tuple[list[str], list[str]]:
    return _texts(batch[columns.url]), _texts(batch[columns.caption])


def _texts(column: pa.Array) -> list[str]:
    """The cells of a column; a cell that is not text becomes an empty text."""
    return [cell if isinstance(cell, str) else "" for cell in _values(column)]


def _values(column: pa.Array) -> list[Any]:
    """The cells of a column.

    Parquet does not check that text is UTF-8. Bytes that are not become U+FFFD.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not is_text:
        return list(column.to_pylist())
    try:
        column.validate(full=True)
        return list(column.to_pylist())
    except pa.ArrowInvalid:
        cells = column.cast(pa.large_binary()).to_pylist()
    return [None if cell is None else cell.decode("utf-8", "replace") for cell in cells]


def _identifier(cell: Any) -> str:
    """An identifier as text: bytes in hex; empty for none."""
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        return cell.hex()
    return str(cell)
