"""Small results of a job, written as one JSON file that the command reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from records.outcome import Tally
from storage import files

MAX_PROBLEMS = 1000


def merge_tallies(tallies: Iterable[dict[tuple[str, str, str], int]]) -> dict[tuple[str, str, str], int]:
    """The sum of tallies."""
    total: Tally = Tally()
    for tally in tallies:
        total.update(tally)
    return dict(total)


@dataclass
class WriteTally(beam.PTransform):  # type: ignore[misc]
    """Sum all tallies of a job into one JSON file. A few hundred bytes a bundle go through this shuffle."""

    path: str

    def expand(self, tallies: beam.PCollection) -> beam.PCollection:
        return (
            tallies
            | "Sum tallies" >> beam.CombineGlobally(merge_tallies).without_defaults()
            | "Write tally" >> beam.Map(write_rows, path=self.path)
        )


@dataclass
class WriteList(beam.PTransform):  # type: ignore[misc]
    """The smallest elements, up to `most`, as one JSON list."""

    path: str
    most: int = MAX_PROBLEMS

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        return (
            elements
            | "Gather" >> beam.combiners.Top.Smallest(self.most)
            | "Write list" >> beam.Map(lambda rows, path: files.write_text(path, json.dumps(rows)), path=self.path)
        )


def write_rows(tally: dict[tuple[str, str, str], int], path: str) -> None:
    """One tally as sorted JSON rows [unit, outcome, reason, number]."""
    files.write_text(path, json.dumps(sorted([*key, number] for key, number in tally.items())))


def read_tally(path: str) -> Tally:
    """What `WriteTally` wrote; empty where nothing was counted."""
    rows: list[list[Any]] = json.loads(files.read_text(path)) if files.exists(path) else []
    return Tally({(unit, outcome, reason): number for unit, outcome, reason, number in rows})
