"""The last step of a job: each group of its shuffle writes what it has counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from pairsieve.storage.job_end import GroupEnd, write_group_end
from transforms.plumbing.counting import COUNTS_KEY, Counts, merge_counts

GroupOfCounts = tuple[tuple[str, int], Iterable[Counts]]
"""What a shuffle makes of the counts of the steps before it."""


@dataclass
class WriteEnds(beam.PTransform):  # type: ignore[misc]
    """GroupEnd, and the group of all counts before the shuffle -> a small file each in `folder`.

    Whoever waits for the job sums them (pairsieve/storage/job_end.py).
    """

    folder: str

    def expand(self, ends: beam.PCollection) -> beam.PCollection:
        return ends | "Write end" >> beam.Map(partial(_write, folder=self.folder))


def _write(element: GroupEnd | GroupOfCounts, folder: str) -> None:
    end = element if isinstance(element, GroupEnd) else _end_of_counts(element)
    write_group_end(end, folder)


def _end_of_counts(group: GroupOfCounts) -> GroupEnd:
    if isinstance(group, Counts):
        raise ValueError("a step behind the shuffle counts by bundle; it must count by group")
    key, several = group
    if key != COUNTS_KEY:
        raise ValueError(f"no step has worked on the group {key}")
    counts = merge_counts(several)
    return GroupEnd(COUNTS_KEY, counts.outcomes, counts.problems)
