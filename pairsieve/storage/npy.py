"""Reads .npy files of vectors, one row after another, in blocks: a file may be larger than memory.

The format is NumPy's own (numpy.lib.format): a header with shape and type, then the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


@dataclass(frozen=True)
class VectorHeader:
    """How many vectors follow, how many numbers each has, and of which type these are."""

    rows: int
    dimensions: int
    kind: np.dtype[Any]


def read_vector_header(stream: IO[bytes]) -> VectorHeader:
    """Read the header of an .npy file of vectors, (rows, dimensions).

    Raises ValueError for a file that is no such array.
    """
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(stream)
    if version not in read:
        raise ValueError(f"the vectors are an .npy file of version {version}")
    shape, by_columns, kind = read[version](stream)
    if by_columns or kind.hasobject or len(shape) != 2:
        raise ValueError("the vectors are no array of numbers, one row after another")
    rows, dimensions = shape
    return VectorHeader(rows, dimensions, kind)


def vector_blocks(
    stream: IO[bytes], header: VectorHeader, block_rows: int
) -> Iterator[NDArray[Any]]:
    """Yield the vectors behind a header in order, `block_rows` at a time, (n, d).

    Raises ValueError for a file that is cut off.
    """
    row_bytes = header.dimensions * header.kind.itemsize
    for first_row in range(0, header.rows, block_rows):
        rows = min(block_rows, header.rows - first_row)
        content = stream.read(rows * row_bytes)
        yield np.frombuffer(content, header.kind).reshape(rows, header.dimensions)
