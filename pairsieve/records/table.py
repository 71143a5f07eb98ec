"""Records to Arrow tables and back; evidence columns follow the record's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import pyarrow as pa

Record = TypeVar("Record")
EvidenceColumns = Mapping[str, pa.DataType]


def schema_with(schema: pa.Schema, evidence: EvidenceColumns) -> pa.Schema:
    """The record's own columns, then one column for each piece of evidence.

    Raises ValueError where evidence would take the name of a column that the record has.
    """
    taken = sorted(set(schema.names) & set(evidence))
    if taken:
        raise ValueError(
            f"evidence columns {taken} have the names of record columns; rename them in the "
            "detector"
        )
    return pa.schema([*schema, *(pa.field(name, kind) for name, kind in evidence.items())])


def to_table(records: Iterable[object], schema: pa.Schema) -> pa.Table:
    """A table with one row for each record; columns that the record lacks are taken from its
    evidence.
    """
    rows = list(records)
    return pa.table(
        [pa.array([_cell(row, f.name) for row in rows], f.type) for f in schema], schema=schema
    )


def _cell(record: object, name: str) -> Any:
    try:
        return getattr(record, name)
    except AttributeError:
        evidence: Mapping[str, object] | None = getattr(record, "evidence", None)
        return (evidence or {}).get(name)


def from_table(table: pa.Table, kind: type[Record], schema: pa.Schema) -> list[Record]:
    """The records of a table written by `to_table`; columns beyond `schema` become evidence. Lists
    become tuples.
    """
    own = set(schema.names)
    return [_record(row, kind, own) for row in table.to_pylist()]


def _record(row: dict[str, Any], kind: type[Record], own: set[str]) -> Record:
    cells = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    evidence = {name: cells.pop(name) for name in row if name not in own}
    return cast(Any, kind)(**cells, evidence=evidence)  # type: ignore[no-any-return]
