"""Converts records to Arrow tables and back. Columns of evidence follow those of the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Record = TypeVar("Record")
EvidenceColumns = Mapping[str, pa.DataType]


def schema_with(schema: pa.Schema, evidence: EvidenceColumns) -> pa.Schema:
    """The schema of a record with columns of evidence behind its own.

    Raises ValueError if evidence has the name of a column of the record.
    """
    clashes = sorted(set(schema.names) & set(evidence))
    if clashes:
        raise ValueError(
            f"evidence columns {clashes} have the names of record columns; rename them in the "
            "detector"
        )
    evidence_fields = [pa.field(name, arrow_type) for name, arrow_type in evidence.items()]
    return pa.schema([*schema, *evidence_fields])


def to_table(records: Iterable[object], schema: pa.Schema) -> pa.Table:
    """A table with one row for each record.

    Columns that are not attributes of the record are taken from its evidence.
    """
    rows = list(records)
    columns = []
    for field in schema:
        cells = _cells(rows, field.name)
        if is_vector(field.type):
            columns.append(vectors_to_arrow(cells))
        else:
            columns.append(pa.array(cells, field.type))
    return pa.table(columns, schema=schema)


def _cells(records: Sequence[object], name: str) -> list[Any]:
    # Most columns are attributes of all records, so trying is faster than asking first.
    try:
        return [getattr(record, name) for record in records]
    except AttributeError:
        return [_cell(record, name) for record in records]


def _cell(record: object, name: str) -> Any:
    if hasattr(record, name):
        return getattr(record, name)
    evidence: Mapping[str, object] | None = getattr(record, "evidence", None)
    return (evidence or {}).get(name)


def from_table(table: pa.Table, record_type: type[Record], schema: pa.Schema) -> list[Record]:
    """The records in a table that `to_table` made.

    Columns that are not in `schema` become evidence. Lists become tuples, and vectors arrays.
    """
    own_names = [name for name in table.column_names if name in schema.names]
    evidence_names = [name for name in table.column_names if name not in schema.names]
    # By columns: Arrow makes Python objects of a column in one go.
    own = _rows(table, own_names)
    evidence = _rows(table, evidence_names)
    make = cast(Any, record_type)
    return [
        make(
            **dict(zip(own_names, own_cells, strict=True)),
            evidence=dict(zip(evidence_names, evidence_cells, strict=True)),
        )
        for own_cells, evidence_cells in zip(own, evidence, strict=True)
    ]


def _rows(table: pa.Table, names: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    """The cells of each row in the columns of these names."""
    if not names:
        return [()] * table.num_rows
    return zip(*(cells_of(table.column(name)) for name in names), strict=True)


def cells_of(column: pa.ChunkedArray) -> list[Any]:
    """The cells of a column as records hold them: lists as tuples, and vectors as arrays."""
    if is_vector(column.type):
        return vectors_from_arrow(column)
    cells: list[Any] = column.to_pylist()
    if pa.types.is_list(column.type):
        return [None if cell is None else tuple(cell) for cell in cells]
    return cells


def is_vector(arrow_type: pa.DataType) -> bool:
    """Whether cells of this type are vectors, which never become Python numbers."""
    return bool(pa.types.is_list(arrow_type) and pa.types.is_float16(arrow_type.value_type))


def vectors_to_arrow(vectors: Sequence[NDArray[np.floating[Any]] | None]) -> pa.ListArray:
    """A column of vectors (float16) of arrays, each of shape (d,), or None."""
    nothing = np.empty(0, np.float16)
    arrays = [nothing if vector is None else np.asarray(vector, np.float16) for vector in vectors]
    # Arrow's form: all numbers one behind the other, and where each vector begins and ends.
    values = np.concatenate([nothing, *arrays])
    offsets = np.cumsum([0, *map(len, arrays)]).astype(np.int32)
    is_null = pa.array([vector is None for vector in vectors], pa.bool_())
    return pa.ListArray.from_arrays(offsets, pa.array(values, pa.float16()), mask=is_null)


def vectors_from_arrow(column: pa.ChunkedArray) -> list[NDArray[np.float16] | None]:
    """The vectors of a column as arrays of shape (d,), float16; None where there is none."""
    vectors: list[NDArray[np.float16] | None] = []
    for chunk in column.chunks:
        values = chunk.values.to_numpy(zero_copy_only=False)
        offsets = chunk.offsets.to_numpy()
        is_there = chunk.is_valid().to_numpy(zero_copy_only=False)
        for row, there in enumerate(is_there):
            vector = values[offsets[row] : offsets[row + 1]]
            vectors.append(vector if there else None)
    return vectors
