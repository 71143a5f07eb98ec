"""Asks rules about many samples at a time, by columns: on which rows has a rule something to say?

A rule has one definition, `judge`. It may also have `speaks`, which looks at whole columns and
finds the rows that `judge` surely passes over. So `judge` is called on the others alone, and the
decisions are those that it would make on every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pairsieve.attempt import Failure, attempt

SampleColumns: TypeAlias = Mapping[str, pa.ChunkedArray]
"""Name -> column of many samples: the same names as in the evidence of one sample."""

RowMask: TypeAlias = NDArray[np.bool_]
"""One truth value for each row."""


def rows_to_judge(rule: Any, columns: SampleColumns, rows: int) -> RowMask:
    """The rows on which a rule must be asked: all, unless its `speaks` can tell.

    Fails closed: where `speaks` raises, or answers with anything but one truth value a row, the
    rule is asked about every row.
    """
    speaks = getattr(rule, "speaks", None)
    if speaks is not None:
        answer = attempt(speaks, columns)
        if not isinstance(answer, Failure):
            mask = np.asarray(answer)
            if mask.shape == (rows,) and mask.dtype == np.bool_:
                return mask
    return np.ones(rows, np.bool_)


def numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of numbers as an array of shape (n,). An empty cell is NaN.

    Every comparison with NaN is false. So write `~(value >= limit)`, which is true for empty cells.
    Whole numbers above 2^53 are rounded, but never to the other side of a limit: compare with > and
    < alone where equality matters.
    """
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)


def is_there(column: pa.ChunkedArray) -> RowMask:
    """The rows whose cell is not empty."""
    return truth(pc.is_valid(column))


def truth(column: pa.ChunkedArray) -> RowMask:
    """A column of truth values as an array; an empty cell is False."""
    return np.asarray(pc.fill_null(column, False).to_numpy(), np.bool_)


def has_entries(column: pa.ChunkedArray) -> RowMask:
    """The rows of a list column that have a list which is not empty."""
    return truth(pc.greater(pc.list_value_length(column), 0))
