"""Cells of vectors: near vectors are looked for in a few cells and not among all.

A cell is what lies nearest to one of some centres, which are vectors of the set itself (an
inverted file, as of Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search",
2011, whose centres are drawn and not trained). A vector goes to the NEAREST_CELLS nearest cells,
and two vectors are compared exactly where they share one. So every pair that is found is near, and
a pair is missed where it shares no cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

VECTORS_PER_CELL = 1_000
NEAREST_CELLS = 2
ROWS_AT_ONCE = 1_000
"""Questions that are compared with a cell at a time: 4 MB of cosines."""

Vectors = NDArray[np.float32]
"""(n, d)."""


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Vectors (n, d) with length 1; those of length 0 stay."""
    exact = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return np.asarray(exact / lengths, np.float32)


def cells_of(vectors: Vectors, centres: Vectors) -> NDArray[np.int64]:
    """The numbers of the cells of vectors, nearest first: (n, NEAREST_CELLS) or fewer."""
    cosines = vectors @ centres.T
    number = min(NEAREST_CELLS, len(centres))
    # Stable: of equally near centres the first counts.
    cells: NDArray[np.int64] = np.argsort(-cosines, axis=1, kind="stable")[:, :number]
    return cells


@dataclass(frozen=True)
class VectorIndex:
    """Known unit vectors (m, d) in cells, for many questions.

    `members` has the rows of each cell. It takes 4 bytes a dimension of memory: 200 MB for 100,000
    vectors of 512 dimensions.
    """

    vectors: Vectors
    centres: Vectors
    members: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, vectors: Vectors, vectors_per_cell: int = VECTORS_PER_CELL) -> VectorIndex:
        """Draw centres evenly from the rows. Up to `vectors_per_cell` vectors are one cell."""
        number = max(1, ceil(len(vectors) / vectors_per_cell))
        step = max(1, len(vectors) // number)
        centres = vectors[::step][:number]
        # (m, NEAREST_CELLS): the cells of each row
        cells = np.concatenate([cells_of(rows, centres) for rows in _blocks(vectors)])
        members = []
        for cell in range(len(centres)):
            is_member = (cells == cell).any(axis=1)
            members.append(np.flatnonzero(is_member))
        return cls(vectors, centres, tuple(members))

    def near(
        self, asked: Vectors, cosine: float
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (rows of `asked`, rows of the index) with at least a cosine, side by side.

        A pair comes once for each cell that it shares. Raises ValueError where the vectors have
        another number of dimensions.
        """
        cells = cells_of(asked, self.centres)
        for cell in np.unique(cells).tolist():
            members = self.members[cell]
            known = self.vectors[members]
            asking = np.flatnonzero((cells == cell).any(axis=1))
            for start in range(0, len(asking), ROWS_AT_ONCE):
                some = asking[start : start + ROWS_AT_ONCE]
                left, right = np.nonzero(asked[some] @ known.T >= cosine)
                yield some[left], members[right]


def _blocks(vectors: Vectors) -> Iterator[Vectors]:
    """The rows in blocks, so that their cosines with all centres take little memory."""
    for start in range(0, max(1, len(vectors)), ROWS_AT_ONCE):
        yield vectors[start : start + ROWS_AT_ONCE]
