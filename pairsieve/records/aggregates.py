"""The numbers behind data card and report: counted from tables of rows and decisions, and summed.

All state is whole numbers in bins that no data can move. So parts of a dataset may be counted
anywhere and summed in any order and grouping, and the sum is the same to the last byte. Its size
does not grow with the rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pairsieve.records.ranking import largest_first

COUNTED = (
    "LANGUAGE",
    "licence_kind",
    "page_source",
    "image_attribute",
    "caption_source",
    "format",
    "NSFW",
    "rights_signals",
    "tags",
    "face_count",
)
"""Columns whose values are counted. None has more than a few hundred distinct ones."""

SPANNED = ("crawl_time", "fetched_at")
"""Columns of times (ISO 8601 in UTC), of which the first and the last are kept."""

MAX_LARGEST = 15
"""How many of the largest values of a top list are kept."""

Reason = tuple[str, str, str, str]
"""(stage, rule, action, reason) of a decision."""


@dataclass(frozen=True)
class Scale:
    """Fixed bins: `edges` (one more than bins) are the same for every dataset.

    The outermost bins also hold what lies beyond them.
    """

    edges: NDArray[np.float64]

    def count(self, values: pa.ChunkedArray) -> Counter[int]:
        """Bin -> how many values lie in it. Empty cells, NaN and infinity have no place."""
        numbers = values.drop_null().to_numpy().astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        # A bin holds its lower edge: `right` counts the edges up to and including the number.
        bins = np.searchsorted(self.edges, numbers, side="right") - 1
        bins = np.clip(bins, 0, len(self.edges) - 2)
        distinct, numbers_of = np.unique(bins, return_counts=True)
        return Counter(dict(zip(distinct.tolist(), numbers_of.tolist(), strict=True)))


SCORES = Scale(np.arange(-1000, 1001) / 1000)
"""For cosines and shares. The ledger's scores have three digits: each is the edge of a bin."""

SIZES = Scale(2.0 ** (np.arange(0, 40 * 16 + 1) / 16))
"""For pixels and bytes, from 1 to 2^40: sixteen bins for each doubling, so one is 4 % wide."""

MEASURED: Mapping[str, Scale] = {
    "similarity": SCORES,
    "WIDTH": SIZES,
    "HEIGHT": SIZES,
    "size_bytes": SIZES,
    "punsafe": SCORES,
    "medical_picture_score": SCORES,
}
"""Column -> the bins in which its values are counted."""

DROPPED_BY: Mapping[str, str] = {
    "similarity_low": "similarity",
    "medical_picture": "medical_picture_score",
    "nudity": "punsafe",
}
"""Reason -> the column that the scores of its decisions are values of."""


@dataclass(frozen=True)
class Largest:
    """A top list: how many distinct `values` there are, on how many `rows`, and the largest.

    `largest` holds (value, rows), most rows first; of equally many, the first by name.
    """

    values: int = 0
    rows: int = 0
    largest: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, rows_of: Mapping[str, int]) -> Largest:
        """The top list of complete counts."""
        return cls(len(rows_of), sum(rows_of.values()), _first(rows_of.items()))

    def __add__(self, other: Largest) -> Largest:
        """The top list of both. Exact only where no value is in both."""
        return Largest(
            self.values + other.values,
            self.rows + other.rows,
            _first([*self.largest, *other.largest]),
        )


def _first(items: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(largest_first(items)[:MAX_LARGEST])


@dataclass(frozen=True)
class Aggregates:
    """Counts of rows and decisions.

    - `columns`: those of the rows.
    - `counted`: column -> value -> rows.
    - `measured`: column -> bin of its scale -> rows.
    - `reasons`: decisions of the ledger.
    - `dropped`: reason of DROPPED_BY -> bin of its column's scale -> decisions.
    - `domains`: registered domains of the image URLs.
    - `spans`: column of SPANNED -> its least and its greatest value.
    """

    rows: int = 0
    columns: tuple[str, ...] = ()
    counted: Mapping[str, Counter[str]] = field(default_factory=dict)
    measured: Mapping[str, Counter[int]] = field(default_factory=dict)
    reasons: Counter[Reason] = field(default_factory=Counter)
    dropped: Mapping[str, Counter[int]] = field(default_factory=dict)
    domains: Largest = Largest()
    spans: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def text(self) -> str:
        """As JSON, with everything sorted: equal aggregates give equal bytes."""
        values: dict[str, Any] = {
            "rows": self.rows,
            "columns": list(self.columns),
            "counted": _lists(self.counted),
            "measured": _lists(self.measured),
            "reasons": sorted([*reason, number] for reason, number in self.reasons.items()),
            "dropped": _lists(self.dropped),
            "domains": [self.domains.values, self.domains.rows, self.domains.largest],
            "spans": dict(self.spans),
        }
        return json.dumps(values, sort_keys=True)


def read_aggregates(text: str) -> Aggregates:
    """The aggregates in a text from `Aggregates.text`."""
    values = json.loads(text)
    number, rows, largest = values["domains"]
    reasons: Counter[Reason] = Counter()
    for stage, rule, action, reason, decisions in values["reasons"]:
        reasons[stage, rule, action, reason] = decisions
    return Aggregates(
        rows=values["rows"],
        columns=tuple(values["columns"]),
        counted=_counters(values["counted"]),
        measured=_counters(values["measured"]),
        reasons=reasons,
        dropped=_counters(values["dropped"]),
        domains=Largest(number, rows, tuple((name, of_it) for name, of_it in largest)),
        spans={name: (first, last) for name, (first, last) in values["spans"].items()},
    )


def _lists(counters: Mapping[str, Mapping[Any, int]]) -> dict[str, list[Any]]:
    # Lists of pairs and no objects: the names of bins are numbers.
    return {name: sorted(counter.items()) for name, counter in counters.items() if counter}


def _counters(lists: Mapping[str, list[Any]]) -> dict[str, Counter[Any]]:
    return {name: Counter(dict(map(tuple, pairs))) for name, pairs in lists.items()}


def sum_aggregates(several: Iterable[Aggregates]) -> Aggregates:
    """The sum. Order and grouping do not matter; the domains of the parts must be different ones.

    Columns are those of the part whose list comes last in the alphabet: all parts have the same.
    """
    rows, domains = 0, Largest()
    columns: tuple[str, ...] = ()
    counted: dict[str, Counter[str]] = {}
    measured: dict[str, Counter[int]] = {}
    reasons: Counter[Reason] = Counter()
    dropped: dict[str, Counter[int]] = {}
    spans: dict[str, tuple[str, str]] = {}
    for part in several:
        rows += part.rows
        columns = max(columns, part.columns)
        domains += part.domains
        reasons.update(part.reasons)
        _add(counted, part.counted)
        _add(measured, part.measured)
        _add(dropped, part.dropped)
        for name, (first, last) in part.spans.items():
            earliest, latest = spans.get(name, (first, last))
            spans[name] = min(earliest, first), max(latest, last)
    return Aggregates(rows, columns, counted, measured, reasons, dropped, domains, spans)


def _add(total: dict[str, Counter[Any]], part: Mapping[str, Counter[Any]]) -> None:
    for name, counter in part.items():
        total.setdefault(name, Counter()).update(counter)


def count_rows(table: pa.Table) -> Aggregates:
    """Count published rows; columns that the table lacks are not counted.

    Domains are not counted here: their number grows with the rows.
    """
    counted = {
        name: _count_values(table.column(name)) for name in COUNTED if name in table.column_names
    }
    measured = {
        name: scale.count(table.column(name))
        for name, scale in MEASURED.items()
        if name in table.column_names
    }
    spans: dict[str, tuple[str, str]] = {}
    for name in SPANNED:
        if name in table.column_names:
            spans |= _span(name, table.column(name))
    names = tuple(table.column_names)
    return Aggregates(table.num_rows, names, counted, measured, spans=spans)


def _span(name: str, column: pa.ChunkedArray) -> dict[str, tuple[str, str]]:
    """The first and the last time of a column; nothing where no row has one."""
    if not pa.types.is_string(column.type):
        return {}  # only datasets of others have such columns
    known = column.filter(pc.not_equal(column, ""))
    span = pc.min_max(known).as_py()
    return {} if span["min"] is None else {name: (span["min"], span["max"])}


def _count_values(column: pa.ChunkedArray) -> Counter[str]:
    """Value as text -> rows: each entry of a list by itself, and no value as an empty text."""
    rows_of: Counter[str] = Counter()
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        if column.null_count:
            rows_of[""] += column.null_count
        column = pc.list_flatten(column)
    if pa.types.is_nested(column.type):
        # Arrow counts no structures. Only datasets of others have such columns.
        rows_of.update("" if value is None else str(value) for value in column.to_pylist())
        return rows_of
    for counted in pc.value_counts(column).to_pylist():
        value = counted["values"]
        rows_of["" if value is None else str(value)] += counted["counts"]
    return rows_of


DECISION_COLUMNS = ("stage", "rule", "action", "reason", "score")
"""The columns of the ledger that are counted."""


def count_decisions(table: pa.Table) -> Aggregates:
    """Count decisions of the ledger, and the scores of those that dropped a pair."""
    names = list(DECISION_COLUMNS[:4])
    reasons: Counter[Reason] = Counter()
    for group in table.group_by(names).aggregate([([], "count_all")]).to_pylist():
        stage, rule, action, reason = (group[name] for name in names)
        reasons[stage, rule, action, reason] += group["count_all"]
    # Histograms show what was dropped beside what was kept; marks are among the kept rows.
    drops = table.filter(pc.equal(table.column("action"), "drop"))
    dropped = {}
    for reason, column in DROPPED_BY.items():
        scores = drops.filter(pc.equal(drops.column("reason"), reason)).column("score")
        bins = MEASURED[column].count(scores)
        if bins:
            dropped[reason] = bins
    return Aggregates(reasons=reasons, dropped=dropped)
