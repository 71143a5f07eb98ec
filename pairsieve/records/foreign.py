"""Reads tables that others made: gives the columns that are known here the types they have here.

A cell that cannot be read as that type becomes null: then it is nobody's address or hash, and no
request can match it. Text that is not UTF-8 keeps what can be read of it, so that it is still found
by its host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.records.row import COLUMNS

# Ids keep the type they have: recipients of the dataset know rows by them.
NUMBERED_BY_OTHERS = ("SAMPLE_ID", "hash", "uid")

HASHES: Mapping[str, str] = dict.fromkeys(PDQ_COLUMNS, "^[0-9a-fA-F]{64}$")
"""Column of hashes -> the form that a hash must have."""

_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


def as_ours(table: pa.Table) -> pa.Table:
    """A table with our types for known columns, and text for others. No cell makes it raise."""
    types = _types()
    columns = []
    # By position, since two columns of a table may have the same name.
    for position, name in enumerate(table.column_names):
        arrow_type = types.get(name, pa.string())
        columns.append(_convert(name, table.column(position), arrow_type))
    return pa.table(columns, names=table.column_names)


@lru_cache(1)
def _types() -> Mapping[str, pa.DataType]:
    return {column.name: column.type for column in COLUMNS}


def _convert(name: str, column: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """A column as the type that it has here."""
    if name in NUMBERED_BY_OTHERS:
        is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        return column if is_number else text_of(column)
    if pa.types.is_list(arrow_type):
        return _text_lists_of(column)
    if not pa.types.is_string(arrow_type):
        return _numbers_of(column, arrow_type)
    text = text_of(column)
    if name in HASHES:
        return _null_unless_matching(text, HASHES[name])
    return text


def text_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as valid UTF-8. Numbers become their digits, other types nulls."""
    if pa.types.is_dictionary(column.type):
        return text_of(column.cast(column.type.value_type))
    if not _is_text(column.type):
        return _cast_or_nulls(column, pa.string())
    # Through bytes, since neither text nor bytes of others need be valid UTF-8.
    content = column.cast(pa.large_binary())
    try:
        return content.cast(pa.large_string()).cast(pa.string())
    except _UNREADABLE:
        cells = [_decode(cell) for cell in content.to_pylist()]
        return pa.chunked_array([pa.array(cells, pa.string())])


def _is_text(arrow_type: pa.DataType) -> bool:
    """Whether a type holds text or bytes."""
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(test(arrow_type) for test in tests)


def _decode(cell: bytes | None) -> str | None:
    return None if cell is None else cell.decode("utf-8", "replace")


def _numbers_of(column: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """A column as a type that is neither text nor a list. Numbers may be written as text."""
    if pa.types.is_dictionary(column.type) or _is_text(column.type):
        column = text_of(column)
    return _cast_or_nulls(column, arrow_type)


def _cast_or_nulls(column: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """Cast a column. If one cell cannot be cast, all cells become nulls."""
    try:
        return column.cast(arrow_type, safe=False)
    except _UNREADABLE:
        return _nulls(column, arrow_type)


def _nulls(column: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(len(column), arrow_type)])


def _text_lists_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of lists of text. If it does not hold these, all cells become nulls."""
    text_list = pa.list_(pa.string())
    if not _is_list(column.type) or not _is_text(column.type.value_type):
        return _nulls(column, text_list)
    content = column.cast(pa.list_(pa.binary()))
    if not pc.list_flatten(content).null_count:
        try:
            return content.cast(text_list)
        except _UNREADABLE:
            pass  # one cell is not UTF-8: all are read one by one
    lists = [_decode_items(row) for row in content.to_pylist()]
    return pa.chunked_array([pa.array(lists, text_list)])


def _decode_items(row: Sequence[bytes | None] | None) -> list[str | None] | None:
    return None if row is None else [_decode(item) for item in row if item is not None]


def _is_list(arrow_type: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(arrow_type) for test in tests)


def _null_unless_matching(column: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    """A column in which cells that do not match a pattern became nulls."""
    is_match = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    return pc.if_else(is_match, column, pa.scalar(None, pa.string()))
