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
from pairsieve.storage import files

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
    """What a file knows of pictures: distinct hashes (n, 32), sorted, and vectors of models."""

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
    digits = sorted({one.hex() for one in hashes})
    table = pa.table([digits], schema=SCHEMA)
    if vectors is not None:
        models = [model for model, some in sorted(vectors.items()) for _ in some]
        of_models = [vector for _, some in sorted(vectors.items()) for vector in some]
        columns = [
            [*digits, *[None] * len(models)],
            [*[None] * len(digits), *models],
            vectors_to_arrow([*[None] * len(digits), *of_models]),
        ]
        table = pa.table(columns, schema=WITH_VECTORS)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    with files.open_whole(path) as stream:
        stream.write(buffer.getvalue())
    return len(digits)


def read_pictures(path: str) -> KnownPictures:
    """Read hashes and vectors of a file. Raises UnreadableHashes.

    Fails closed: a cell that is no hash or no vector makes the whole file unreadable. Empty cells
    are passed over, because published rows have them where a picture has too little detail.
    """
    name = files.public_name(path)
    try:
        with files.open_read(path) as stream:
            file = pq.ParquetFile(stream)
            there = [one for one in WITH_VECTORS.names if one in file.schema_arrow.names]
            if PDQ not in there and EMBEDDING not in there:
                raise KeyError(PDQ)
            table = file.read(columns=there)
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise UnreadableHashes(
            f"{name} cannot be read as a parquet file with a column {PDQ} or {EMBEDDING} "
            f"({type(error).__name__}); `pairsieve hashes` makes one of a folder of pictures"
        ) from None
    vectors = _vectors_in(table, name) if EMBEDDING in there else {}
    has_hashes = PDQ in there and (not vectors or table[PDQ].null_count < table.num_rows)
    hashes = _hashes_in(table, name) if has_hashes else np.empty((0, 32), np.uint8)
    return KnownPictures(hashes, vectors)


def _hashes_in(table: pa.Table, name: str) -> Hashes:
    digits = table[PDQ].drop_null().unique().to_pylist()
    wrong = [one for one in digits if not isinstance(one, str) or not _HEX.fullmatch(one)]
    if wrong or not digits:
        what = f"{len(wrong)} cells that are no PDQ hash of 64 hex digits" if wrong else "no hash"
        raise UnreadableHashes(
            f"{name} has {what} in the column {PDQ}; nothing is compared with half a set"
        )
    return np.unique(as_hashes(bytes.fromhex(one) for one in digits), axis=0)


def _vectors_in(table: pa.Table, name: str) -> VectorsOfModels:
    """The vectors of each model, sorted by their bytes, each once. Raises UnreadableHashes."""
    column = table[EMBEDDING]
    if not _is_vectors(column.type):
        raise _no_vectors(name, f"a column {EMBEDDING} of {column.type}")
    vectors = vectors_from_arrow(column.cast(pa.list_(pa.float16())))
    nothing = [None] * table.num_rows
    models = table[MODEL].to_pylist() if MODEL in table.column_names else nothing
    of_models: dict[str, list[NDArray[np.float16]]] = {}
    for model, vector in zip(models, vectors, strict=True):
        if vector is None:
            continue
        if not isinstance(model, str) or not model:
            raise _no_vectors(name, f"vectors without the identity of their model in {MODEL}")
        if not np.isfinite(vector).all() or not vector.any():
            raise _no_vectors(name, "vectors that are not finite or have no length")
        of_models.setdefault(model, []).append(vector)
    if not of_models and PDQ not in table.column_names:
        raise _no_vectors(name, "no vector")
    if any(len({len(vector) for vector in some}) > 1 for some in of_models.values()):
        raise _no_vectors(name, "vectors of one model with different numbers of dimensions")
    return {
        model: unit(np.unique(np.stack(some), axis=0)) for model, some in sorted(of_models.items())
    }


def _is_vectors(of_column: pa.DataType) -> bool:
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    is_list = any(kind(of_column) for kind in kinds)
    return is_list and bool(pa.types.is_floating(of_column.value_type))


def _no_vectors(name: str, what: str) -> UnreadableHashes:
    return UnreadableHashes(
        f"{name} has {what}; `pairsieve hashes --config FILE` writes a picture's vector with the "
        "identity of its model"
    )
