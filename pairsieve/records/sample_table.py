"""Samples as columns: the row-aligned parts of three stages, read together.

A question about many samples is asked of their columns. Only those rows that need it become
records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Sample, Score
from pairsieve.records.table import cells_of, from_table

SAMPLE_LEAVES_OUT = ("status", "errors")
"""Columns that image and score both have; `Sample.columns` has them under other names or not."""


@dataclass(frozen=True)
class SampleTable:
    """Samples of the part `part`: row i of the three tables is one sample."""

    part: str
    pairs: pa.Table
    images: pa.Table
    scores: pa.Table

    @property
    def rows(self) -> int:
        return int(self.pairs.num_rows)

    @cached_property
    def columns(self) -> Mapping[str, pa.ChunkedArray]:
        """Name -> column, for all that `Sample.columns` names of one sample."""
        columns = {
            "fetch_status": self.images.column("status"),
            "score_status": self.scores.column("status"),
        }
        # The order is that of `Sample.columns`: of two columns with one name the later counts.
        own = (
            (self.images, IMAGE_SCHEMA, True),
            (self.scores, SCORE_SCHEMA, True),
            (self.pairs, PAIR_SCHEMA, True),
            (self.pairs, PAIR_SCHEMA, False),
            (self.images, IMAGE_SCHEMA, False),
            (self.scores, SCORE_SCHEMA, False),
        )
        for table, schema, of_record in own:
            for name in table.column_names:
                is_of_record = name in schema.names
                if is_of_record == of_record and name not in SAMPLE_LEAVES_OUT:
                    columns[name] = table.column(name)
        return columns

    @cached_property
    def cells(self) -> Cells:
        """The cells of each column as records hold them."""
        return Cells(self.columns)

    @cached_property
    def errors(self) -> list[tuple[str, ...]]:
        """For each row the errors of earlier stages."""
        of_images = cells_of(self.images.column("errors"))
        of_scores = cells_of(self.scores.column("errors"))
        return [
            (*of_image, *of_score) for of_image, of_score in zip(of_images, of_scores, strict=True)
        ]

    @cached_property
    def made_of_pairs(self) -> Sequence[Pair]:
        """The pair of each row. All are made when the first one is asked for."""
        return from_table(self.pairs, Pair, PAIR_SCHEMA)

    def samples(self) -> list[Sample]:
        """The sample of each row."""
        images = from_table(self.images, Image, IMAGE_SCHEMA)
        scores = from_table(self.scores, Score, SCORE_SCHEMA)
        return list(map(Sample, self.made_of_pairs, images, scores))

    def take(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> SampleTable:
        """The samples of some rows, in their order."""
        indices = pa.array(rows, pa.int64())
        return SampleTable(
            self.part,
            self.pairs.take(indices),
            self.images.take(indices),
            self.scores.take(indices),
        )

    def models(self) -> dict[str, int]:
        """ "MODEL in PRECISION" -> how many samples it scored."""
        scored = self.scores.filter(pc.greater(pc.binary_length(self.scores["precision"]), 0))
        groups = scored.group_by(["model", "precision"]).aggregate([([], "count_all")])
        return {
            f"{group['model']} in {group['precision']}": group["count_all"]
            for group in groups.to_pylist()
        }


class Cells(dict[str, list[Any]]):
    """Name -> the cells of a column. They are made when first asked for."""

    def __init__(self, columns: Mapping[str, pa.ChunkedArray]) -> None:
        super().__init__()
        self._columns = columns

    def __missing__(self, name: str) -> list[Any]:
        cells = self[name] = cells_of(self._columns[name])
        return cells


class SampleRow(Mapping[str, Any]):
    """The columns of one sample, as `Sample.columns` gives them; cells are read when asked for."""

    __slots__ = ("_cells", "_row", "_table")

    def __init__(self, table: SampleTable, row: int) -> None:
        self._table = table
        self._cells = table.cells
        self._row = row

    def __getitem__(self, name: str) -> Any:
        return self._cells[name][self._row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.columns)

    def __len__(self) -> int:
        return len(self._table.columns)

    def __contains__(self, name: object) -> bool:
        return name in self._table.columns  # Mapping would read the cell
