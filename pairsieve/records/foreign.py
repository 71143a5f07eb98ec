"""Tables that others made, under our names: each column as the type that we give it, whatever its
cells hold.

A cell that cannot be read as that type is null: it is nobody's address or hash, and in nobody's
way. Text that is no UTF-8 keeps what can be read of it, so that it is still found by its host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pairsieve.records.row import COLUMNS

# ids keep their type: recipients know rows by them
NUMBERED_BY_OTHERS = ("SAMPLE_ID", "hash", "uid")
HASHES: Mapping[str, str] = {"pdq": "^[0-9a-fA-F]{64}$"}
_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


def as_ours(table: pa.Table) -> pa.Table:
    """A table whose known columns have our types. Never raises on what cells hold."""
    types = _types()
    columns = [
        _column(name, table.column(at), types.get(name, pa.string()))
        for at, name in enumerate(table.column_names)
    ]
    return pa.table(columns, names=table.column_names)


@lru_cache(1)
def _types() -> Mapping[str, pa.DataType]:
    return {column.name: column.type for column in COLUMNS}


def _column(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if name in NUMBERED_BY_OTHERS:
        return (
            column
            if pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
            else text_of(column)
        )
    if pa.types.is_list(kind):
        return _texts_of(column)
    if not pa.types.is_string(kind):
        return _numbers_of(column, kind)
    text = text_of(column)
    return _matching(text, HASHES[name]) if name in HASHES else text


def text_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As valid UTF-8; numbers as they are written, other types as nulls."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return text_of(column.cast(kind.value_type))
    if _is_text(kind):
        content = column.cast(pa.large_binary())
        try:
            return content.cast(pa.large_string()).cast(pa.string())
        except _UNREADABLE:
            return pa.chunked_array([pa.array(_decoded(content), pa.string())])
    return _cast(column, pa.string())


def _is_text(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
    )
    return any(
        test(kind) for test in (*tests, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    )


def _decoded(column: pa.ChunkedArray) -> Iterator[str | None]:
    for content in column.to_pylist():
        yield None if content is None else content.decode("utf-8", "replace")


def _numbers_of(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type) or _is_text(column.type):
        column = text_of(column)
    return _cast(column, kind)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cast as a whole; where a cell does not fit, the column says nothing."""
    try:
        return column.cast(kind, safe=False)
    except _UNREADABLE:
        return pa.chunked_array([pa.nulls(len(column), kind)])


def _texts_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of text; what is no list is null."""
    kind = pa.list_(pa.string())
    is_list = any(
        test(column.type)
        for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )
    if not is_list:
        return pa.chunked_array([pa.nulls(len(column), kind)])
    values = (
        pa.chunked_array(column.chunks, column.type).cast(pa.list_(pa.binary()))
        if _is_text(column.type.value_type)
        else None
    )
    if values is None:
        return pa.chunked_array([pa.nulls(len(column), kind)])
    rows: list[Any] = values.to_pylist()
    texts = [
        None if row is None else [one.decode("utf-8", "replace") for one in row if one is not None]
        for row in rows
    ]
    return pa.chunked_array([pa.array(texts, kind)])


def _matching(column: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    """Cells that have this form, others as nulls."""
    return pc.if_else(
        pc.fill_null(pc.match_substring_regex(column, pattern), False),
        column,
        pa.scalar(None, pa.string()),
    )
