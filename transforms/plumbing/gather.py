"""Sums the counts of all workers at the end of a job, and writes them with one list."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.records.outcome import Tally
from pairsieve.storage.job_end import JobEnd, Outcomes, write_end

MAX_PROBLEMS = 1000


def merge(ends: Iterable[JobEnd], max_listed: int) -> JobEnd:
    """The sum of tallies, and the smallest of all listed elements, up to `max_listed`."""
    total, all_listed = Tally(), list[Any]()
    for outcomes, listed in ends:
        total.update(outcomes)
        all_listed += listed
    return dict(total), heapq.nsmallest(max_listed, all_listed)


@dataclass
class WriteEnd(beam.PTransform):  # type: ignore[misc]
    """(tallies, elements to list) -> the two files of the job's end in `folder`.

    A few hundred bytes a bundle go through this one shuffle, and every listed element.
    """

    folder: str
    list_file: str
    max_listed: int = MAX_PROBLEMS

    def expand(
        self, tallies_and_lists: tuple[tuple[beam.PCollection, ...], tuple[beam.PCollection, ...]]
    ) -> beam.PCollection:
        tallies, lists = tallies_and_lists
        counted = [
            tally | f"Counted {number}" >> beam.Map(_counted)
            for number, tally in enumerate(tallies)
        ]
        listed = [
            elements | f"Listed {number}" >> beam.Map(_listed)
            for number, elements in enumerate(lists)
        ]
        return (
            (*counted, *listed)
            | beam.Flatten()
            | "Merge"
            >> beam.CombineGlobally(partial(merge, max_listed=self.max_listed)).without_defaults()
            | "Write" >> beam.Map(write_end, folder=self.folder, list_file=self.list_file)
        )


def _counted(outcomes: Outcomes) -> JobEnd:
    return outcomes, []


def _listed(element: Any) -> JobEnd:
    return {}, [element]
