"""Takes rows out of tables (parquet, Arrow), and the vectors of these rows out of `.npy` files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.copies.erased import Erased, names_in
from pairsieve.records.row import KEY
from pairsieve.storage.shards import shard_bytes

Vectors = NDArray[np.floating]
SAMPLE = "key"
"""img2dataset's column of the names of pictures. In our tables it is the id of a row."""


@dataclass
class Judged:
    """The rows of a table.

    `erased`: numbers of the rows that are to go. `gone` and `cleared`: what img2dataset names the
    pictures of these, and of rows that stay. `unknown`: how many rows could not be judged.
    """

    erased: list[int] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    cleared: set[str] = field(default_factory=set)
    unknown: int = 0


def judge(table: pa.Table, erased: Erased, keeps_positions: bool) -> Judged:
    """Judge the rows of a table by the columns that it has."""
    names = names_in(table.column_names)
    judged = Judged()
    columns = {ours: table[own].to_pylist() for ours, own in names.items()}
    for number in range(table.num_rows):
        row = {name: values[number] for name, values in columns.items()}
        verdict = erased.judge(row)
        sample = str(row.get(SAMPLE, ""))
        if verdict.erased:
            judged.erased.append(number)
            judged.gone.update({sample} - {""})
        elif verdict.known:
            judged.cleared.update({sample} - {""})
        else:
            # Where positions are kept, a row that was taken out before is empty.
            was_taken_out = names and keeps_positions and not any(row.values())
            if not was_taken_out:
                judged.unknown += 1
    return judged


def read_table(path: str, content: bytes) -> pa.Table:
    """Decode a parquet or an Arrow file. Raises ArrowInvalid."""
    if path.endswith(".parquet"):
        return pq.ParquetFile(pa.BufferReader(content)).read()
    return pa.ipc.open_file(pa.BufferReader(content)).read_all()


def without_rows(
    path: str, content: bytes, rows: Sequence[int], keeps_positions: bool, ours: bool
) -> bytes:
    """A table without some rows; `ours`: a shard of ours, which is encoded as we encode shards.

    With `keeps_positions` the rows stay, and are empty.
    """
    table = read_table(path, content)
    table = _emptied(table, rows) if keeps_positions else table.filter(_others(table, rows))
    if not path.endswith(".parquet"):
        return _arrow_file(table)
    metadata = pq.read_metadata(pa.BufferReader(content))
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if ours:
        is_sorted = bool(groups and groups[0].sorting_columns)
        sorted_by = KEY if is_sorted else None
        return shard_bytes(table, sorted_by)
    return _parquet_file(table, groups)


def _arrow_file(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _parquet_file(table: pa.Table, groups: Sequence[pq.RowGroupMetaData]) -> bytes:
    """A parquet file with the compression and the size of the row groups that it had."""
    compression = "zstd"
    if groups:
        compression = groups[0].column(0).compression.lower()
    largest_group = max((group.num_rows for group in groups), default=0)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression=compression, row_group_size=max(1, largest_group))
    return buffer.getvalue()


def _others(table: pa.Table, rows: Sequence[int]) -> pa.Array:
    stays = np.ones(table.num_rows, bool)
    stays[list(rows)] = False
    return pa.array(stays)


def _emptied(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    """The table with nothing in some rows.

    Texts become empty: clip-retrieval fails where `image_path` is null. All else becomes null.
    """
    is_gone = np.zeros(table.num_rows, bool)
    is_gone[list(rows)] = True
    # To take from a null position gives null, in columns of every type.
    positions = pa.array(np.arange(table.num_rows), mask=is_gone)
    columns, fields = [], []
    for each in table.schema:
        column = table[each.name].take(positions)
        if pa.types.is_string(each.type) or pa.types.is_large_string(each.type):
            # Another row's null becomes an empty text as well, which says nothing.
            column = column.fill_null("")
        columns.append(column)
        fields.append(each.with_nullable(True))
    return pa.table(columns, schema=pa.schema(fields, metadata=table.schema.metadata))


def read_vectors(content: bytes) -> Vectors:
    """Decode a `.npy` file. Raises ValueError, also where it holds Python objects."""
    vectors: Vectors = np.load(io.BytesIO(content), allow_pickle=False)
    return vectors


def without_vectors(vectors: Vectors, rows: Sequence[int], keeps_positions: bool) -> bytes:
    """A `.npy` file without the vectors of some rows, or with zeros in their place."""
    if keeps_positions:
        vectors = vectors.copy()
        vectors[list(rows)] = 0
    else:
        vectors = np.delete(vectors, list(rows), axis=0)
    buffer = io.BytesIO()
    np.save(buffer, vectors)
    return buffer.getvalue()
