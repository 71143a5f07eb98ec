"""Parquet files of PDQ hashes: of the pictures of an evaluation set, or of any set of pictures.

A file has a column `pdq` of 64 hex digits, as published rows do. `pairsieve hashes` makes one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.images.pdq import Hashes, as_hashes
from pairsieve.storage import files

PDQ = "pdq"
SCHEMA = pa.schema([(PDQ, pa.string())])
_HEX = re.compile(r"[0-9a-fA-F]{64}")


class UnreadableHashes(ValueError):
    """A file of hashes cannot be read, or holds something else. The message says what to give."""


def write_hashes(path: str, hashes: Iterable[bytes]) -> int:
    """Write hashes, each once and sorted, whole or not at all; returns how many there are."""
    digits = sorted({one.hex() for one in hashes})
    buffer = io.BytesIO()
    pq.write_table(pa.table([digits], schema=SCHEMA), buffer, compression="zstd")
    with files.open_whole(path) as stream:
        stream.write(buffer.getvalue())
    return len(digits)


def read_hashes(path: str) -> Hashes:
    """Read the distinct hashes of a file, sorted, as (n, 32). Raises UnreadableHashes.

    Fails closed: a cell that is no hash makes the whole file unreadable. Empty cells are passed
    over, because published rows have them where a picture has too little detail.
    """
    try:
        with files.open_read(path) as stream:
            column = pq.read_table(stream, columns=[PDQ]).column(PDQ)
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise UnreadableHashes(
            f"{files.public_name(path)} cannot be read as a parquet file with a column {PDQ} "
            f"({type(error).__name__}); `pairsieve hashes` makes one of a folder of pictures"
        ) from None
    digits = column.drop_null().unique().to_pylist()
    wrong = [one for one in digits if not isinstance(one, str) or not _HEX.fullmatch(one)]
    if wrong or not digits:
        what = f"{len(wrong)} cells that are no PDQ hash of 64 hex digits" if wrong else "no hash"
        raise UnreadableHashes(
            f"{files.public_name(path)} has {what} in the column {PDQ}; nothing is compared with "
            "half a set"
        )
    return np.unique(as_hashes(bytes.fromhex(one) for one in digits), axis=0)
