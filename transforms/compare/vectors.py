"""Finds near pictures by their vectors, within the cells of pairsieve/images/cells.py.

The centres are vectors of the samples themselves. Each model has cells of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from pairsieve.images.cells import VECTORS_PER_CELL, Vectors, cells_of, unit
from pairsieve.images.forest import NAME, Names, merge_forests, names_of, no_edges
from pairsieve.records.sample_table import SampleTable
from pairsieve.records.table import vectors_from_arrow
from pairsieve.storage import parts
from transforms.compare.bands import Batches, NearPictures
from transforms.compare.pictures import name_rows
from transforms.compare.settings import CELL, Key
from transforms.plumbing.spill import read_batches

CENTRES_PER_PART = 20
"""Centres that a part gives at most: the first vectors of parts that lie evenly among all."""
MOST_COMPARED = 20_000
"""Vectors of a cell that each is compared with; what is left out is counted."""
ROWS_AT_ONCE = 1_000  # of a cell, that are compared with those behind them
# Lower bits of a number in the shuffle that tell the cell; those above tell the model.
CELL_BITS = 20


@dataclass(frozen=True)
class Cells:
    """The centres of each model's cells, as unit vectors (k, d)."""

    centres: Mapping[str, Vectors]

    def of(self, model: str, vectors: Vectors) -> NDArray[np.int64]:
        """The cells of vectors (n, d), nearest first: (n, NEAREST_CELLS) or fewer."""
        centres = self.centres.get(model)
        if centres is None:
            # None of its vectors was drawn: it has few, which are one cell.
            return np.zeros((len(vectors), 1), np.int64)
        return cells_of(vectors, centres)


def choose_cells(folder: str, names: list[str], samples: int) -> Cells:
    """Choose centres from the scores of some parts.

    Rows of a part are in the order of their keys, which are hashes: the first ones are a sample.
    The choice depends on the parts alone, so every worker makes the same.
    """
    wanted = max(1, ceil(samples / VECTORS_PER_CELL))
    step = max(1, len(names) * CENTRES_PER_PART // wanted)
    of_models: dict[str, list[Vectors]] = {}
    drawn_from = names[::step]
    number_of_parts = max(1, len(drawn_from))
    of_each = min(CENTRES_PER_PART, ceil(wanted / number_of_parts))
    for name in drawn_from:
        scores = parts.read_part(folder, name)
        scores = scores.filter(pc.is_valid(scores.column("embedding")))
        first = scores.slice(0, of_each)
        models = first.column("model").to_pylist()
        vectors = vectors_from_arrow(first.column("embedding"))
        for model, vector in zip(models, vectors, strict=True):
            assert vector is not None, "rows without one were left out"
            of_models.setdefault(model, []).append(unit(vector[None]))
    return Cells({model: np.concatenate(vectors) for model, vectors in of_models.items()})


def to_cells(table: SampleTable, cells: Cells) -> Iterator[tuple[Key, bytes]]:
    """Yield the names and vectors of a part's pictures for each cell that they go to."""
    named = name_rows(table)
    names = names_of(named.names)
    place_of = {row: place for place, row in enumerate(named.rows.tolist())}
    for model, (rows, halves) in sorted(kept_vectors(table, named.rows.tolist()).items()):
        of_rows = names[[place_of[row] for row in rows]]
        nearest = cells.of(model, unit(halves))
        for cell in np.unique(nearest).tolist():
            chosen = (nearest == cell).any(axis=1)
            yield (CELL, _number(model, cell)), _packed(of_rows[chosen], halves[chosen])


def kept_vectors(
    table: SampleTable, rows: Iterable[int]
) -> dict[str, tuple[list[int], NDArray[np.float16]]]:
    """Model -> those of some rows that have a vector by it, and their vectors (k, d)."""
    if "embedding" not in table.columns:
        return {}
    rows_of_models: dict[str, list[int]] = {}
    vectors = table.cells["embedding"]
    models = table.cells["model"]
    for row in rows:
        if vectors[row] is not None:
            rows_of_models.setdefault(models[row], []).append(row)
    kept: dict[str, tuple[list[int], NDArray[np.float16]]] = {}
    for model, rows_of_model in rows_of_models.items():
        kept[model] = rows_of_model, np.stack([vectors[row] for row in rows_of_model])
    return kept


def _number(model: str, cell: int) -> int:
    """The number of a model's cell. Vectors of two models cannot be compared and must not meet."""
    return zlib.crc32(model.encode()) << CELL_BITS | cell


def _packed(names: Names, vectors: NDArray[np.float16]) -> bytes:
    row = _row_type(vectors.shape[1])
    packed = np.zeros(len(names), row)
    packed["name"], packed["vector"] = names, vectors
    dimensions: int = vectors.shape[1]
    return dimensions.to_bytes(4, "little") + packed.tobytes()


def _row_type(dimensions: int) -> np.dtype[np.void]:
    return np.dtype([("name", NAME), ("vector", "<f2", (dimensions,))])


def near_vectors(group: tuple[Key, Batches], cosine: float) -> Iterator[NearPictures]:
    """Yield the near pictures of a cell: those whose vectors have at least a cosine."""
    _, batches = group
    rows = np.concatenate([_unpacked(content) for content in read_batches(batches)])
    # A picture is compared once, by the least of its vectors. Sorting by all bytes makes the order
    # independent of the batches.
    order = np.argsort(rows.view(f"V{rows.dtype.itemsize}"), kind="stable")
    # The first row of a name in this order is its least.
    names, first = np.unique(rows["name"][order], return_index=True)
    vectors = unit(rows["vector"][order[first]])
    forest, left_out = no_edges(), 0
    for start in range(0, len(names), ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, len(names))
        end = min(len(names), stop + MOST_COMPARED)
        cosines = vectors[start:stop] @ vectors[start:end].T
        left, right = np.nonzero(cosines >= cosine)
        # Each pair once.
        is_behind = right > left
        left = left[is_behind] + start
        right = right[is_behind] + start
        edges = np.stack([names[left], names[right]], axis=1)
        forest = merge_forests([forest, edges])
        # These rows were not compared with those behind `end`.
        left_out += (stop - start) * (len(names) - end)
    yield NearPictures.of(forest, left_out)


def _unpacked(content: bytes) -> NDArray[np.void]:
    dimensions = int.from_bytes(content[:4], "little")
    return np.frombuffer(content, _row_type(dimensions), offset=4)
