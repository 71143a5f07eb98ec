"""Converts records to Arrow tables and back. Columns of evidence follow those of the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

import pyarrow as pa

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
    for f in schema:
        cells = [_cell(row, f.name) for row in rows]
        columns.append(pa.array(cells, f.type))
    return pa.table(columns, schema=schema)


def _cell(record: object, name: str) -> Any:
    # Most columns are attributes, so trying is faster than asking first.
    try:
        return getattr(record, name)
    except AttributeError:
        evidence: Mapping[str, object] | None = getattr(record, "evidence", None)
        return (evidence or {}).get(name)


def from_table(table: pa.Table, record_type: type[Record], schema: pa.Schema) -> list[Record]:
    """The records in a table that `to_table` made.

    Columns that are not in `schema` become evidence. Lists become tuples.
    """
    own_names = set(schema.names)
    return [_record(row, record_type, own_names) for row in table.to_pylist()]


def _record(row: dict[str, Any], record_type: type[Record], own_names: set[str]) -> Record:
    own: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    for name, value in row.items():
        values = own if name in own_names else evidence
        values[name] = tuple(value) if isinstance(value, list) else value
    return cast(Any, record_type)(**own, evidence=evidence)  # type: ignore[no-any-return]
