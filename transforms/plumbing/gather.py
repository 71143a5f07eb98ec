"""Writes the result of a job for the command: its tally and one list, as two JSON files.

The tally is written last. So the job has ended once its tally exists.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.records.outcome import Tally
from pairsieve.storage import files

MAX_PROBLEMS = 1000
TALLY_FILE = "tally.json"
Outcomes = dict[tuple[str, str, str], int]
"""A tally in the form in which it goes through a shuffle: (unit, outcome, reason) -> number."""

Summary = tuple[Outcomes, list[Any]]
"""A tally, and the elements to list."""


def merge(summaries: Iterable[Summary], max_listed: int) -> Summary:
    """Add up tallies, and keep the smallest `max_listed` elements of the lists."""
    total, listed = Tally(), list[Any]()
    for outcomes, elements in summaries:
        total.update(outcomes)
        listed += elements
    return dict(total), heapq.nsmallest(max_listed, listed)


@dataclass
class WriteEnd(beam.PTransform):  # type: ignore[misc]
    """(collections of tallies, collections of elements to list) -> the two files in `folder`.

    Of the elements the smallest `max_listed` are written, so that the file does not depend on their
    order. The shuffle carries a few hundred bytes a bundle, and every element.
    """

    folder: str
    list_file: str
    max_listed: int = MAX_PROBLEMS

    def expand(
        self, inputs: tuple[tuple[beam.PCollection, ...], tuple[beam.PCollection, ...]]
    ) -> beam.PCollection:
        tallies, elements = inputs
        summaries = []
        for number, tally in enumerate(tallies):
            summaries.append(tally | f"Counted {number}" >> beam.Map(_counted))
        for number, element in enumerate(elements):
            summaries.append(element | f"Named {number}" >> beam.Map(_named))
        merge_all = beam.CombineGlobally(partial(merge, max_listed=self.max_listed))
        return (
            tuple(summaries)
            | beam.Flatten()
            # Without defaults, because a default would be written before the inputs are complete.
            | "Merge" >> merge_all.without_defaults()
            | "Write" >> beam.Map(write_end, folder=self.folder, list_file=self.list_file)
        )


def _counted(outcomes: Outcomes) -> Summary:
    return outcomes, []


def _named(element: Any) -> Summary:
    return {}, [element]


def write_end(summary: Summary, folder: str, list_file: str) -> None:
    """Write the list, then the tally as sorted rows [unit, outcome, reason, number]."""
    outcomes, listed = summary
    files.write_text(files.join(folder, list_file), json.dumps(listed))
    rows = sorted([*key, number] for key, number in outcomes.items())
    files.write_text(files.join(folder, TALLY_FILE), json.dumps(rows))


def has_ended(folder: str) -> bool:
    """Whether the job that writes to this folder has ended."""
    return files.exists(files.join(folder, TALLY_FILE))


def forget_end(folder: str) -> None:
    """Remove the tally, so that the job counts as not ended."""
    files.remove_file(files.join(folder, TALLY_FILE))


def read_tally(folder: str) -> Tally:
    """The tally of a job that has ended."""
    rows: list[list[Any]] = json.loads(files.read_text(files.join(folder, TALLY_FILE)))
    return Tally({(unit, outcome, reason): number for unit, outcome, reason, number in rows})


def read_list(folder: str, list_file: str) -> list[Any]:
    """The list of a job that has ended."""
    listed: list[Any] = json.loads(files.read_text(files.join(folder, list_file)))
    return listed
