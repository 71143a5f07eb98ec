"""Parquet files of known pictures, such as those of an evaluation set: PDQ hashes and CLIP vectors.

A file has a column `pdq` of 64 hex digits, as published rows do; or columns `model` and
`embedding`, the identity of a CLIP model and a picture's vector by it; or all three. `pairsieve
hashes` makes one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.images.cells import Vectors, unit
from pairsieve.images.pdq import Hashes, as_hashes
from pairsieve.records.table import vectors_from_arrow, vectors_to_arrow
from pairsieve.storage import files, openers

PDQ, MODEL, EMBEDDING = "pdq", "model", "embedding"
SCHEMA = pa.schema([(PDQ, pa.string())])
WITH_VECTORS = pa.schema([*SCHEMA, (MODEL, pa.string()), (EMBEDDING, pa.list_(pa.float16()))])
_HEX = re.compile(r"[0-9a-fA-F]{64}")

VectorsOfModels = Mapping[str, Vectors]
"""Identity of a model -> unit vectors (n, d) by it."""


class UnreadableHashes(ValueError):
    """A file of pictures cannot be read, or holds something else. The message says what to give."""


@dataclass(frozen=True)
class KnownPictures:
    """The pictures of a file: distinct hashes (n, 32), sorted, and vectors of models."""

    hashes: Hashes
    vectors: VectorsOfModels = field(default_factory=dict)


def write_hashes(
    path: str,
    hashes: Iterable[bytes],
    vectors: Mapping[str, Sequence[NDArray[np.floating]]] | None = None,
) -> int:
    """Write hashes, each once and sorted, whole or not at all; returns how many there are.

    `vectors` (model -> vectors of shape (d,)) are written as float16 in rows of their own.
    """
    digits = sorted({pdq.hex() for pdq in hashes})
    if vectors is None:
        table = pa.table([digits], schema=SCHEMA)
    else:
        table = _table_with_vectors(digits, vectors)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    with files.open_whole(path) as stream:
        stream.write(buffer.getvalue())
    return len(digits)


def _table_with_vectors(
    digits: Sequence[str], vectors: Mapping[str, Sequence[NDArray[np.floating]]]
) -> pa.Table:
    """The rows of the hashes, and behind them the rows of the vectors."""
    model_of_row: list[str] = []
    vector_of_row: list[NDArray[np.floating]] = []
    for model, vectors_of_model in sorted(vectors.items()):
        for vector in vectors_of_model:
            model_of_row.append(model)
            vector_of_row.append(vector)
    no_hash = [None] * len(model_of_row)
    no_vector = [None] * len(digits)
    columns = [
        [*digits, *no_hash],
        [*no_vector, *model_of_row],
        vectors_to_arrow([*no_vector, *vector_of_row]),
    ]
    return pa.table(columns, schema=WITH_VECTORS)


def read_pictures(path: str) -> KnownPictures:
    """Read hashes and vectors of a file. Raises UnreadableHashes.

    Fails closed: a cell that is no hash or no vector makes the whole file unreadable. Empty cells
    are passed over, because published rows have them where a picture has too little detail.
    """
    name = files.public_name(path)
    try:
        with openers.open_columns(path) as stream:
            file = pq.ParquetFile(stream)
            columns = [name for name in WITH_VECTORS.names if name in file.schema_arrow.names]
            if PDQ not in columns and EMBEDDING not in columns:
                raise KeyError(PDQ)
            table = file.read(columns=columns)
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise UnreadableHashes(
            f"{name} cannot be read as a parquet file with a column {PDQ} or {EMBEDDING} "
            f"({type(error).__name__}); `pairsieve hashes` makes one of a folder of pictures"
        ) from None
    vectors = _vectors_in(table, name) if EMBEDDING in columns else {}
    # A file of vectors alone may have an empty column of hashes. Without vectors it may not.
    has_hashes = PDQ in columns and (not vectors or table[PDQ].null_count < table.num_rows)
    hashes = _hashes_in(table, name) if has_hashes else np.empty((0, 32), np.uint8)
    return KnownPictures(hashes, vectors)


def _hashes_in(table: pa.Table, name: str) -> Hashes:
    cells = table[PDQ].drop_null().unique().to_pylist()
    wrong = [cell for cell in cells if not isinstance(cell, str) or not _HEX.fullmatch(cell)]
    if wrong:
        raise _no_hashes(name, f"{len(wrong)} cells that are no PDQ hash of 64 hex digits")
    if not cells:
        raise _no_hashes(name, "no hash")
    return np.unique(as_hashes(bytes.fromhex(cell) for cell in cells), axis=0)


def _no_hashes(name: str, problem: str) -> UnreadableHashes:
    return UnreadableHashes(
        f"{name} has {problem} in the column {PDQ}; nothing is compared with half a set"
    )


def _vectors_in(table: pa.Table, name: str) -> VectorsOfModels:
    """The vectors of each model, sorted by their bytes, each once. Raises UnreadableHashes."""
    column = table[EMBEDDING]
    if not _is_vectors(column.type):
        raise _no_vectors(name, f"a column {EMBEDDING} of {column.type}")
    vectors = vectors_from_arrow(column.cast(pa.list_(pa.float16())))
    models = [None] * table.num_rows
    if MODEL in table.column_names:
        models = table[MODEL].to_pylist()
    vectors_by_model: dict[str, list[NDArray[np.float16]]] = {}
    for model, vector in zip(models, vectors, strict=True):
        # A row of a hash alone.
        if vector is None:
            continue
        if not isinstance(model, str) or not model:
            raise _no_vectors(name, f"vectors without the identity of their model in {MODEL}")
        if not np.isfinite(vector).all() or not vector.any():
            raise _no_vectors(name, "vectors that are not finite or have no length")
        vectors_by_model.setdefault(model, []).append(vector)
    if not vectors_by_model and PDQ not in table.column_names:
        raise _no_vectors(name, "no vector")
    distinct: dict[str, Vectors] = {}
    for model, vectors_of_model in sorted(vectors_by_model.items()):
        dimensions = {len(vector) for vector in vectors_of_model}
        if len(dimensions) > 1:
            raise _no_vectors(name, "vectors of one model with different numbers of dimensions")
        distinct[model] = unit(np.unique(np.stack(vectors_of_model), axis=0))
    return distinct


def _is_vectors(column_type: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    is_list = any(test(column_type) for test in tests)
    return is_list and bool(pa.types.is_floating(column_type.value_type))


def _no_vectors(name: str, problem: str) -> UnreadableHashes:
    return UnreadableHashes(
        f"{name} has {problem}; `pairsieve hashes --config FILE` writes a picture's vector with "
        "the identity of its model"
    )
