"""Sums the counts of all workers at the end of a job, and writes them with one list."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.records.outcome import Tally
from pairsieve.storage.job_end import JobEnd, write_end
from transforms.plumbing.route import MAX_PROBLEMS, Counts


def merge(ends: Iterable[JobEnd], max_listed: int) -> JobEnd:
    """The sum of tallies, and the smallest of all listed elements, up to `max_listed`."""
    total, all_listed = Tally(), list[Any]()
    for outcomes, listed in ends:
        total.update(outcomes)
        all_listed += listed
    return dict(total), heapq.nsmallest(max_listed, all_listed)


@dataclass
class WriteEnd(beam.PTransform):  # type: ignore[misc]
    """What the last steps yield -> the two files of the job's end in `folder`.

    Counts are summed, and their problems listed; everything else is listed itself. A few hundred
    bytes a bundle go through this one shuffle, and every listed element.
    """

    folder: str
    list_file: str
    max_listed: int = MAX_PROBLEMS

    def expand(self, ends: beam.PCollection) -> beam.PCollection:
        return (
            ends
            | "As ends" >> beam.Map(_as_end)
            | "Merge"
            >> beam.CombineGlobally(partial(merge, max_listed=self.max_listed)).without_defaults()
            | "Write" >> beam.Map(write_end, folder=self.folder, list_file=self.list_file)
        )


def _as_end(element: Any) -> JobEnd:
    if isinstance(element, Counts):
        return element.outcomes, list(element.problems)
    return {}, [element]
